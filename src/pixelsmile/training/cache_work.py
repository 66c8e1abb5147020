"""What is computed for the cache: all that one picture is needed for, in one go.

Shape suffixes: C = 3 channels (RGB), H and W pixels, T tokens of a prompt, E channels of its embedding.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelsmile.editing.autoencoder import encode_images
from pixelsmile.editing.conditioning import Prompt
from pixelsmile.editing.flow import pack
from pixelsmile.editing.pictures import centre_square, resized, to_tensor
from pixelsmile.editing.prompts import PICTURE, SUFFIX
from pixelsmile.errors import ExpressionError, InputError, ModelError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.faces.detectors.candidates import intersection_over_union
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Box, Detector
from pixelsmile.images import load_image
from pixelsmile.training.cache_keys import CacheParts, TargetKeys, TripletKeys
from pixelsmile.training.store import TensorStore
from pixelsmile.training.window import TokenWindow
from pixelsmile.triplets.triplet import Target, Triplet

# The pictures that are trained on: the square in the middle of a picture, at the working size.


MIN_OVERLAP = 0.1  # intersection over union: a face that shares less with the box is another one


def working_picture(image: Image.Image, size_px: int) -> Image.Image:
    """The largest square in the middle, `size_px` a side."""
    return resized(centre_square(image), size_px, size_px)


def working_points(points_N2: np.ndarray, size: tuple[int, int], size_px: int) -> np.ndarray:
    """Points (N, 2) of a picture of `size` (width, height), in pixels of its working picture."""
    side = min(size)
    corner_2 = [(length - side) // 2 for length in size]
    return (np.asarray(points_N2, np.float64) - corner_2) * (size_px / side)


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


Texts = dict[str, str]  # key by text


@dataclass
class PictureWork:
    """All that the triplets want of one picture.

    prompts: where it is a source, the texts to encode, the neutral one first, by the neutral text. targets:
    where it is a target, once for each place where its face is said to be.
    """

    path: Path
    latents: str
    prompts: dict[str, Texts] = field(default_factory=dict)
    targets: dict[str | None, tuple[Target, TargetKeys]] = field(default_factory=dict)

    def wanted(self) -> set[str]:
        """Everything that is wanted."""
        prompts = {key for texts in self.prompts.values() for key in texts.values()}
        return (
            {self.latents} | prompts | {key for _, keys in self.targets.values() for key in keys.of_picture()}
        )


def gather(triplets: Iterable[tuple[Triplet, TripletKeys]]) -> list[PictureWork]:
    """The work that triplets ask for, in their order: each picture once."""
    works: dict[Path, PictureWork] = {}
    for triplet, keys in triplets:
        source = works.setdefault(triplet.source.image, PictureWork(triplet.source.image, keys.source))
        texts = source.prompts.setdefault(keys.neutral_text, {keys.neutral_text: keys.neutral})
        for target, wanted in ((triplet.a, keys.a), (triplet.b, keys.b)):
            texts[wanted.prompt_text] = wanted.prompt
            work = works.setdefault(target.image, PictureWork(target.image, wanted.latents))
            work.targets[wanted.landmarks] = target, wanted
    return list(works.values())


class Worker:
    """Does the work for one picture after another. window: as in `KeyMaker`."""

    def __init__(
        self, parts: CacheParts, size_px: int, store: TensorStore, window: TokenWindow | None = None
    ) -> None:
        self._parts, self._size_px, self._store, self._window = parts, size_px, store, window

    @torch.no_grad()
    def do(self, work: PictureWork) -> None:
        """Compute what the store lacks. ImageError, ExpressionError, InputError."""
        original = load_image(work.path)
        picture = working_picture(original, self._size_px)
        pixels_1CHW = to_tensor(picture).to(self._parts.device)
        if work.latents not in self._store:
            self._store.add(work.latents, pack(encode_images(self._parts.vae, pixels_1CHW))[0])
        for texts in work.prompts.values():
            if any(key not in self._store for key in texts.values()):
                self._encode(picture, texts)
        if self._window is not None:
            pixels_1CHW = self._window.masked(pixels_1CHW)
        for target, keys in work.targets.values():
            if keys.feature and keys.feature not in self._store:
                assert self._parts.image_encoder is not None  # its hash made the key
                self._store.add(keys.feature, self._parts.image_encoder.features(pixels_1CHW)[0])
            if keys.landmarks:
                self._find_face(target, keys, original.size, picture, pixels_1CHW)

    def _encode(self, picture: Image.Image, texts: Texts) -> None:
        """All prompts of a picture in one batch, whichever are missing: its last digits depend on it."""
        neutral, *others = self._parts.prompt_encoder.encode(picture, list(texts), self._parts.device)
        self._store.add(texts[neutral.text], neutral.embedding)
        for prompt in others:
            self._store.add(texts[prompt.text], prompt.embedding[num_shared(neutral, prompt) :])

    def _find_face(
        self,
        target: Target,
        keys: TargetKeys,
        size: tuple[int, int],
        picture: Image.Image,
        pixels_1CHW: Tensor,
    ) -> None:
        assert keys.landmarks is not None
        if keys.landmarks not in self._store:
            self._store.add(keys.landmarks, self._landmarks(target, size, picture))
        landmarks_52 = self._store.read(keys.landmarks)
        for encoder in self._parts.identity_encoders:
            key = keys.identities[encoder.name]
            if key not in self._store:
                unit_1CHW = pixels_1CHW / 2 + 0.5
                self._store.add(key, _embedding(encoder, unit_1CHW, landmarks_52, target.image))

    def _landmarks(self, target: Target, size: tuple[int, int], picture: Image.Image) -> Tensor:
        """(5, 2) in pixels of the working picture; NaN where no face is found."""
        found: np.ndarray | None
        if target.landmarks_5 is not None:
            found = working_points(np.array(target.landmarks_5), size, self._size_px)
        elif self._parts.detector is None:
            raise InputError(
                f"target {str(target.image)!r} has no landmarks, and there is no detector to find them: give "
                "one, or switch the identity term off"
            )
        else:
            found = find_landmarks(picture, self._parts.detector, self._box(target, size))
        return torch.full((5, 2), torch.nan) if found is None else torch.from_numpy(found).float()

    def _box(self, target: Target, size: tuple[int, int]) -> Box | None:
        if target.face_box is None:
            return None
        corners = working_points(np.reshape(target.face_box, (2, 2)), size, self._size_px)
        x0, y0, x1, y1 = corners.flatten().tolist()
        return x0, y0, x1, y1


def check_prompts(works: Iterable[PictureWork], tokenizer: Any) -> None:
    """ExpressionError where a prompt and its neutral one differ in their number of tokens."""
    texts = {(neutral, text) for work in works for neutral, texts in work.prompts.items() for text in texts}
    for neutral, text in sorted(texts):
        wanted, seen = (len(tokenizer(PICTURE + prompt + SUFFIX)["input_ids"]) for prompt in (neutral, text))
        if seen != wanted:
            raise ExpressionError(
                f"the prompt {text!r} has {seen} tokens, {neutral!r} {wanted}: training interpolates between "
                "prompts of one length, so give the model such prompts in its pixelsmile.json"
            )


def num_shared(neutral: Prompt, target: Prompt) -> int:
    """How many tokens at the start of two prompts of one length are the same, the picture's among them.

    The text encoder is causal, so their embeddings are the same too, and are kept once.
    """
    pairs = zip(neutral.token_ids, target.token_ids, strict=True)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), len(neutral.token_ids))


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
