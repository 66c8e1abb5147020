"""Triplets as training reads them: all that does not change in training, computed once and kept on disk.

Latents of the pictures, embeddings of the prompts with the source in view, features, landmarks and identity
embeddings of the targets. Their names are hashes of what they were computed from: a picture's bytes, what is
cut out of it, the working size, the network, the prompt. So runs share a folder, a run that was killed goes
on where it was, and a picture, a prompt or a network that changed is computed again (see `cache_filling`).

An instruction is the prompt at any strength: it stands in the place of the neutral prompt, too.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import isqrt
from pathlib import Path

import torch

from pixelsmile.editing.flow import PATCH
from pixelsmile.errors import ImageError, InputError
from pixelsmile.expressions import NEUTRAL, Domain, neutral_prompt, target_prompt
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.training.batch import TrainingBatch, padded
from pixelsmile.training.networks import NetworkHashes
from pixelsmile.training.tensor_store import TensorStore
from pixelsmile.training.window import TokenWindow
from pixelsmile.triplets.crops import face_box, is_square
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet

_VERSION = 1  # to be raised when this code computes other numbers from the same input


@dataclass(frozen=True)
class TargetKeys:
    """The names of what is cached of a target; None: nothing is. prompt_text: what was encoded."""

    prompt_text: str
    prompt: str
    latents: str
    feature: str | None
    landmarks: str | None
    identity: str | None

    def of_picture(self) -> set[str]:
        """All but that of the prompt, which is encoded with the source in view."""
        return {key for key in (self.latents, self.feature, self.landmarks, self.identity) if key}


@dataclass(frozen=True)
class TripletKeys:
    """The names of what is cached of a triplet; targets: one or two, in its order."""

    source: str
    neutral_text: str
    neutral: str
    targets: tuple[TargetKeys, ...]

    def all(self) -> set[str]:
        """Every one."""
        targets = {key for target in self.targets for key in (target.prompt, *target.of_picture())}
        return {self.source, self.neutral, *targets}


class TripletCache:
    """The cache in a folder, for pictures of `size_px` a side and the networks with these hashes.

    window: the part of the pictures that is trained on. Outside of it, features and identities see grey;
    latents and prompts are of the whole picture. patch: a token covers patch x patch latents. verify: see
    `TensorStore`. It holds no network: once filled, those that training does not need can go. InputError
    where the folder cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        size_px: int,
        hashes: NetworkHashes,
        window: TokenWindow | None = None,
        patch: int = PATCH,
        *,
        verify: bool = True,
    ) -> None:
        self.size_px, self.hashes, self.window, self.patch = size_px, hashes, window, patch
        self.store = TensorStore(folder, verify=verify)
        self._pictures: dict[Path, tuple[str, bool]] = {}  # hashes of what was read once, and whether square

    def batch(self, triplets: Sequence[Triplet]) -> TrainingBatch:
        """These triplets, all of one kind, from the cache alone: the tokens inside of the window. InputError
        where one was not filled in."""
        keys = [self._filled(triplet) for triplet in triplets]
        branches = range(len(triplets[0].targets))
        strengths = [each.targets[branch].strength for branch in branches for each in triplets]
        target_keys = [each.targets[branch] for branch in branches for each in keys]
        source = self._stacked([each.source for each in keys] * len(branches))
        latents = self._stacked([each.latents for each in target_keys])
        side = isqrt(latents.shape[1]) * self.patch
        grid = (side, side)
        if self.window is not None:
            source, latents, grid = self.window.cut(source), self.window.cut(latents), self.window.latent_grid
        neutrals = [self.store.read(each.neutral) for each in keys] * len(branches)
        rests = [self.store.read(each.prompt) for each in target_keys]
        neutral, mask = padded(neutrals)
        prompts, _ = padded(
            # What two prompts have in common at their start is kept once.
            [
                torch.cat([whole[: len(whole) - len(rest)], rest])
                for whole, rest in zip(neutrals, rests, strict=True)
            ]
        )
        return TrainingBatch(
            num_branches=len(branches),
            source=source,
            targets=latents,
            grid=grid,
            neutral=neutral,
            prompts=prompts,
            mask=mask,
            strengths=torch.tensor(strengths, dtype=torch.float32),
            features=self._stacked_if([each.feature for each in target_keys]),
            identities=self._stacked_if([each.identity for each in target_keys]),
            landmarks=self._stacked_if([each.landmarks for each in target_keys]),
        )

    def sha256(self, triplets: Sequence[Triplet]) -> str:
        """Of all that these were computed from, the bytes of their pictures among it; not of strengths."""
        return sha256_json([self._sha256(self.keys(triplet)) for triplet in triplets])

    def num_faceless(self, triplets: Sequence[Triplet]) -> int:
        """Targets of these, all filled in, in which no face was found; 0 where no identities are cached."""
        targets = {keys.landmarks for each in map(self.keys, triplets) for keys in each.targets}
        return sum(not self.store.read(key).isfinite().all() for key in targets if key)

    def keys(self, triplet: Triplet) -> TripletKeys:
        """The names of what belongs to it. ImageError for a picture that cannot be read."""
        source = self._picture(triplet.source)
        neutral_text = triplet.instruction or self._prompt_text(NEUTRAL, triplet.domain)
        return TripletKeys(
            source=self._key("latents", self.hashes.latents, source),
            neutral_text=neutral_text,
            neutral=self._prompt(source, neutral_text, neutral_text),
            targets=tuple(
                self._target(
                    target,
                    triplet.instruction or self._prompt_text(target.expression, triplet.domain),
                    source,
                    neutral_text,
                )
                for target in triplet.targets
            ),
        )

    def _target(self, target: Target, text: str, source: str, neutral_text: str) -> TargetKeys:
        hashes, picture = self.hashes, self._picture(target)
        seen = () if self.window is None else (astuple(self.window),)
        landmarks = self._landmarks(target, picture) if hashes.identity else None
        return TargetKeys(
            prompt_text=text,
            prompt=self._prompt(source, neutral_text, text),
            latents=self._key("latents", hashes.latents, picture),
            feature=hashes.features and self._key("feature", hashes.features, picture, *seen),
            landmarks=landmarks,
            identity=hashes.identity and self._key("identity", hashes.identity, landmarks, *seen),
        )

    def _prompt_text(self, expression: str, domain: Domain) -> str:
        default = neutral_prompt(domain) if expression == NEUTRAL else target_prompt(expression, domain)
        return self.hashes.prompts.get(expression, default)

    def _prompt(self, source: str, neutral_text: str, text: str) -> str:
        return self._key("prompt", self.hashes.text, source, neutral_text, text)

    def _landmarks(self, target: Target, picture: str) -> str:
        """Of those that are given, or of who looks for them where."""
        if target.landmarks_5 is not None:
            return self._key("landmarks", "given", picture, target.landmarks_5)
        return self._key("landmarks", self.hashes.landmarks, picture, target.face_box)

    def _key(self, kind: str, *made_of: object) -> str:
        return sha256_json([_VERSION, kind, self.size_px, *made_of])

    def _picture(self, place: SourceImage | Target) -> str:
        """Of the square that is trained on: the picture, where its face is said to be or who looks for it.

        A square picture is trained on whole.
        """
        path = place.image
        if path not in self._pictures:
            try:
                self._pictures[path] = sha256_file(path), is_square(path)
            except OSError as error:
                raise ImageError(
                    f"cannot read the picture {str(path)!r} of a triplet ({error.strerror}): check the path"
                ) from error
        sha256, square = self._pictures[path]
        if square:
            return sha256
        return sha256_json([sha256, "around", face_box(place) or self.hashes.landmarks])

    def _sha256(self, keys: TripletKeys) -> str:
        """Checkpoints keep what follows from it: it must stay as it is."""

        def of_target(target: TargetKeys) -> list[object]:
            identities = {self.hashes.identity_encoder: target.identity} if target.identity else {}
            parts = (target.prompt_text, target.prompt, target.latents, target.feature, target.landmarks)
            return [*parts, identities]

        return sha256_json([keys.source, keys.neutral_text, keys.neutral, *map(of_target, keys.targets)])

    def _filled(self, triplet: Triplet) -> TripletKeys:
        keys = self.keys(triplet)
        if any(key not in self.store for key in keys.all()):
            raise InputError(
                f"the triplet of {str(triplet.source.image)!r} is not in the cache "
                f"{str(self.store.folder)!r}: fill it first"
            )
        return keys

    def _stacked(self, keys: Sequence[str]) -> torch.Tensor:
        return torch.stack([self.store.read(key) for key in keys])

    def _stacked_if(self, keys: Sequence[str | None]) -> torch.Tensor | None:
        """None where nothing is cached."""
        known = [key for key in keys if key is not None]
        return self._stacked(known) if known else None
