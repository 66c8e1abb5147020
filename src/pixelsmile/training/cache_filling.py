"""Filling the cache: all that one picture is needed for is computed in one go.

Pictures are trained on as the square around their face, at the working size (`TrainingCrop`).

Shape suffixes: C = 3 channels (RGB), H and W pixels, T tokens of a prompt, E channels of its embedding.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelsmile.editing.autoencoder import encode_images
from pixelsmile.editing.conditioning import num_shared
from pixelsmile.editing.flow import PATCH, pack
from pixelsmile.editing.pictures import to_tensor
from pixelsmile.editing.prompts import PromptEncoder
from pixelsmile.errors import ExpressionError, InputError, ModelError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.faces.detectors.candidates import intersection_over_union
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Box, Detector
from pixelsmile.images import load_image
from pixelsmile.training.cache import TargetKeys, TripletCache
from pixelsmile.training.networks import Networks
from pixelsmile.triplets.crops import TrainingCrop, face_box
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet

_log = logging.getLogger(__name__)

MIN_OVERLAP = 0.1  # intersection over union: a face that shares less with the box is another one


@dataclass(frozen=True)
class CacheProgress:
    """`done` of `total` pictures that were not cached, or not with all that is wanted of them."""

    done: int
    total: int


def fill(cache: TripletCache, triplets: Sequence[Triplet], networks: Networks) -> Iterator[CacheProgress]:
    """Compute what is missing, one picture at a time, and yield after each; all is on disk at the end.

    ImageError for a picture that cannot be used. Before the first: ExpressionError for prompts of unequal
    length, InputError for a size that the model cannot work at, or other networks.
    """
    _check(cache, networks)
    wanted, faceless = _tasks(cache, triplets), []
    _check_prompts(wanted, networks.prompt_encoder)
    missing = [task for task in wanted if any(key not in cache.store for key in task.all_keys())]
    yield CacheProgress(0, len(missing))
    for done, task in enumerate(missing, 1):
        encoding = _Encoding(cache, networks, task)
        encoding.run()
        faceless += [] if encoding.is_placed else [task.path]
        cache.store.flush_full()
        if done == len(missing):
            cache.store.flush()
        yield CacheProgress(done, len(missing))
    if faceless:
        _log.warning(
            "no face was found in %d pictures that are not square, one is %s: the square in their middle is "
            "trained on",
            len(faceless),
            faceless[0],
        )


def find_box(picture: Image.Image, detector: Detector) -> Box | None:
    """Of the largest face, in pixels; None: there is none."""
    faces = detector.detect(picture)
    return max(faces, key=lambda found: found.width * found.height).box if faces else None


def find_landmarks(picture: Image.Image, detector: Detector, box: Box | None) -> np.ndarray | None:
    """Five landmarks (5, 2) of the face that shares most with `box` (without one the largest); None: no face.

    All in pixels of `picture`. ModelError where the detector knows boxes only.
    """
    faces = detector.detect(picture)
    if not faces:
        return None
    face = max(faces, key=lambda found: found.width * found.height)
    if box is not None:
        overlaps_N = intersection_over_union(np.array(box), np.array([found.box for found in faces]))
        if overlaps_N.max() < MIN_OVERLAP:
            return None
        face = faces[int(overlaps_N.argmax())]
    if face.landmarks_5 is None:
        raise ModelError(
            f"detector {detector.name} finds no eyes, nose and mouth to align a face by: take another "
            "(pixelsmile models list), or put landmarks into the triplets"
        )
    return face.landmarks_5


def _check(cache: TripletCache, networks: Networks) -> None:
    if networks.hashes != cache.hashes:
        raise InputError("the cache was opened for other networks: open it with the hashes of these")
    multiple = networks.components.vae.spatial_compression_ratio * PATCH
    if cache.size_px % multiple:
        raise InputError(
            f"data.size_px is {cache.size_px}, the model works on multiples of {multiple}: take "
            f"{max(1, round(cache.size_px / multiple)) * multiple}"
        )


@dataclass
class _PictureTask:
    """All that the triplets want of one picture, cut in one way.

    place: the source or target that says where its face is. prompts: where it is a source, keys by the texts
    to encode, the neutral one first, by the neutral text. targets: where it is a target, once for each place
    where its face is said to be.
    """

    place: SourceImage | Target
    latents: str
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    targets: dict[str | None, tuple[Target, TargetKeys]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.place.image

    def all_keys(self) -> set[str]:
        """Everything that is wanted."""
        prompts = {key for texts in self.prompts.values() for key in texts.values()}
        return {self.latents, *prompts}.union(*(keys.of_picture() for _, keys in self.targets.values()))


def _tasks(cache: TripletCache, triplets: Iterable[Triplet]) -> list[_PictureTask]:
    """What triplets ask for, in their order: each picture once, or once for each way to cut it."""
    tasks: dict[tuple[Path, str], _PictureTask] = {}

    def task(place: SourceImage | Target, latents: str) -> _PictureTask:
        return tasks.setdefault((place.image, latents), _PictureTask(place, latents))

    for triplet in triplets:
        keys = cache.keys(triplet)
        texts = task(triplet.source, keys.source).prompts.setdefault(
            keys.neutral_text, {keys.neutral_text: keys.neutral}
        )
        for target, wanted in zip(triplet.targets, keys.targets, strict=True):
            texts[wanted.prompt_text] = wanted.prompt
            task(target, wanted.latents).targets[wanted.landmarks] = target, wanted
    return list(tasks.values())


class _Encoding:
    """One picture, and what the cache lacks of it. is_placed: False where its face was looked for in vain."""

    def __init__(self, cache: TripletCache, networks: Networks, task: _PictureTask) -> None:
        self._store, self._window = cache.store, cache.window
        self._networks, self._task = networks, task
        original = load_image(task.path)
        box = self._where(original)
        self.is_placed = box is not None or original.width == original.height
        self._crop = TrainingCrop.around(original.size, cache.size_px, box)
        self._picture = self._crop.picture(original)
        self._device = networks.placement.device

    def _where(self, original: Image.Image) -> Box | None:
        """The box to cut around, found where nothing is said of it; None: the middle."""
        box, detector = face_box(self._task.place), self._networks.detector
        if box is not None or original.width == original.height:
            return box
        if detector is None:
            raise InputError(
                f"nothing is said of the face in {str(self._task.path)!r}, which is not square, and there is "
                "no detector to find it: give it a box, or a detector"
            )
        return find_box(original, detector)

    @torch.no_grad()
    def run(self) -> None:
        """ImageError, ExpressionError, InputError."""
        task, networks = self._task, self._networks
        pixels_1CHW = to_tensor(self._picture).to(self._device)
        if task.latents not in self._store:
            latents_1CHW = encode_images(networks.components.vae, pixels_1CHW)
            self._store.add(task.latents, pack(latents_1CHW, networks.components.family.patch)[0])
        for texts in task.prompts.values():
            if any(key not in self._store for key in texts.values()):
                self._encode(texts)
        if self._window is not None:
            pixels_1CHW = self._window.masked(pixels_1CHW)
        for target, keys in task.targets.values():
            if keys.feature and keys.feature not in self._store:
                assert networks.image_encoder is not None  # its hash made the key
                self._store.add(keys.feature, networks.image_encoder.features(pixels_1CHW)[0])
            if keys.landmarks and keys.identity:
                self._find_face(target, keys.landmarks, keys.identity, pixels_1CHW)

    def _encode(self, texts: dict[str, str]) -> None:
        """All prompts of a picture in one batch, whichever are missing: its last digits depend on it."""
        neutral, *others = self._networks.prompt_encoder.encode(self._picture, list(texts), self._device)
        self._store.add(texts[neutral.text], neutral.embedding)
        for prompt in others:
            self._store.add(texts[prompt.text], prompt.embedding[num_shared(neutral, prompt) :])

    def _find_face(self, target: Target, landmarks: str, identity: str, pixels_1CHW: Tensor) -> None:
        if landmarks not in self._store:
            self._store.add(landmarks, self._landmarks(target))
        if identity not in self._store:
            assert self._networks.identity_encoder is not None  # its hash made the key
            unit_1CHW, points_52 = pixels_1CHW / 2 + 0.5, self._store.read(landmarks)
            found_I = _embedding(self._networks.identity_encoder, unit_1CHW, points_52, target.image)
            self._store.add(identity, found_I)

    def _landmarks(self, target: Target) -> Tensor:
        """(5, 2) in pixels of the working picture; NaN where no face is found."""
        found: np.ndarray | None
        if target.landmarks_5 is not None:
            found = self._crop.points(np.array(target.landmarks_5))
        elif self._networks.detector is None:
            raise InputError(
                f"target {str(target.image)!r} has no landmarks, and there is no detector to find them: give "
                "one, or switch the identity term off"
            )
        else:
            found = find_landmarks(self._picture, self._networks.detector, self._box(target))
        return torch.full((5, 2), torch.nan) if found is None else torch.from_numpy(found).float()

    def _box(self, target: Target) -> Box | None:
        if target.face_box is None:
            return None
        x0, y0, x1, y1 = self._crop.points(np.reshape(target.face_box, (2, 2))).flatten().tolist()
        return x0, y0, x1, y1


def _check_prompts(tasks: Iterable[_PictureTask], encoder: PromptEncoder) -> None:
    """ExpressionError where a prompt and its neutral one differ in their number of tokens."""
    texts = {(neutral, text) for task in tasks for neutral, texts in task.prompts.items() for text in texts}
    for neutral, text in sorted(texts):
        wanted, seen = (encoder.num_tokens(prompt) for prompt in (neutral, text))
        if seen != wanted:
            raise ExpressionError(
                f"the prompt {text!r} has {seen} tokens, {neutral!r} {wanted}: training interpolates between "
                "prompts of one length, so give the model such prompts in its pixelsmile.json"
            )


def _embedding(encoder: TorchEncoder, unit_1CHW: Tensor, landmarks_52: Tensor, path: Path) -> Tensor:
    """Of the aligned face; NaN where there is none, so that nobody takes it for a face."""
    if not landmarks_52.isfinite().all():
        grey_1CHW = unit_1CHW.new_full((1, 3, encoder.size_px, encoder.size_px), 0.5)
        return torch.full_like(encoder.embed(grey_1CHW)[0], torch.nan)
    try:
        crops_1CHW = align_batch(unit_1CHW, landmarks_52[None].numpy(), encoder.size_px)
    except InputError as error:
        raise InputError(f"target {str(path)!r}: {error}") from None
    return encoder.embed(crops_1CHW)[0]
