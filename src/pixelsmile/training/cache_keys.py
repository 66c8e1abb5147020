"""The names of what is cached: hashes of a picture's bytes, the working size, the network, the prompt."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from pydantic import JsonValue

from pixelsmile.editing.prompts import PREFIX, PromptEncoder
from pixelsmile.errors import ImageError, InputError
from pixelsmile.expressions import NEUTRAL, Domain, neutral_prompt, target_prompt
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Detector
from pixelsmile.features.encoder import ImageEncoder, sha256_encoder
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.training.window import TokenWindow
from pixelsmile.triplets.triplet import Target, Triplet

# The networks that the cache is computed with, and their content hashes, by which its entries are named.


@dataclass(frozen=True)
class PartHashes:
    """Content hashes of the networks. None, or no encoders: that part of the triplets is not cached.

    prompts: the model's own prompt for an expression or neutral, where it has one. identities: by the name of
    the encoder.
    """

    latents: str
    text: str
    prompts: Mapping[str, str]
    features: str | None
    identities: Mapping[str, str]
    landmarks: str | None

    def prompt(self, expression: str, domain: Domain) -> str:
        """The prompt of an expression, or of neutral."""
        default = neutral_prompt(domain) if expression == NEUTRAL else target_prompt(expression, domain)
        return self.prompts.get(expression, default)


@dataclass(frozen=True)
class CacheParts:
    """The networks, on the device that they run on.

    image_encoder: for the contrastive term (None: it is off). identity_encoders: for the identity term (none:
    it is off). detector: for targets that come without landmarks, with the hash of its weights where it has
    some. prompts: see `PartHashes`. InputError for two identity encoders of one name.
    """

    vae: AutoencoderKLQwenImage
    prompt_encoder: PromptEncoder
    device: torch.device
    image_encoder: ImageEncoder | None = None
    identity_encoders: Sequence[TorchEncoder] = ()
    detector: Detector | None = None
    detector_sha256: str | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [encoder.name for encoder in self.identity_encoders]
        if len(set(names)) < len(names):
            raise InputError(f"identity encoders {', '.join(names)}: give each of them once")

    @cached_property
    def hashes(self) -> PartHashes:
        """Of the weights, as they are loaded: another number format gives other numbers. Read once."""
        statistics: JsonValue = [list(self.vae.config[name]) for name in ("latents_mean", "latents_std")]
        return PartHashes(
            latents=sha256_encoder(self.vae, statistics),
            text=sha256_encoder(self.prompt_encoder.text_encoder, _around_text(self.prompt_encoder)),
            prompts=dict(self.prompts),
            features=None if self.image_encoder is None else self.image_encoder.sha256,
            identities={
                encoder.name: sha256_encoder(encoder.network, encoder.preprocessing.model_dump(mode="json"))
                for encoder in self.identity_encoders
            },
            landmarks=None if self.detector is None else f"{self.detector.name} {self.detector_sha256}",
        )


def _around_text(encoder: PromptEncoder) -> dict[str, Any]:
    """What stands before the text encoder. How the last call padded is no part of the tokenizer."""
    tokenizer = json.loads(encoder.tokenizer.backend_tokenizer.to_str())
    return {
        "template": PREFIX,
        "tokenizer": {
            name: part for name, part in tokenizer.items() if name not in ("padding", "truncation")
        },
        "image_processor": json.loads(encoder.image_processor.to_json_string()),
        "condition_size": encoder.condition_size,
    }


VERSION = 1  # to be raised when this code computes other numbers from the same input


@dataclass(frozen=True)
class TargetKeys:
    """Where the parts of a target are; None, or no encoder: not cached. `prompt_text`: what was encoded."""

    prompt_text: str
    prompt: str
    latents: str
    feature: str | None
    landmarks: str | None
    identities: Mapping[str, str]

    def of_picture(self) -> set[str]:
        """All but that of the prompt, which is encoded with the source in view."""
        return {key for key in (self.latents, self.feature, self.landmarks, *self.identities.values()) if key}


@dataclass(frozen=True)
class TripletKeys:
    """Where the parts of a triplet are."""

    source: str
    neutral_text: str
    neutral: str
    a: TargetKeys
    b: TargetKeys

    @property
    def sha256(self) -> str:
        """Of everything that the triplet was computed from, but for its strengths."""
        return sha256_json(astuple(self))

    def all(self) -> set[str]:
        """Every key."""
        targets = {key for target in (self.a, self.b) for key in (target.prompt, *target.of_picture())}
        return {self.source, self.neutral, *targets}


@dataclass(frozen=True)
class KeyMaker:
    """Makes the keys of triplets at one working size. Each picture is read once.

    window: outside of which features and identities see nothing.
    """

    size_px: int
    hashes: PartHashes
    window: TokenWindow | None = None
    _pictures: dict[Path, str] = field(default_factory=dict)

    def keys(self, triplet: Triplet) -> TripletKeys:
        """ImageError for a picture that cannot be read."""
        source = self._picture(triplet.source.image)
        neutral_text = self.hashes.prompt(NEUTRAL, triplet.domain)
        return TripletKeys(
            source=self._key("latents", self.hashes.latents, source),
            neutral_text=neutral_text,
            neutral=self._prompt(source, neutral_text, neutral_text),
            a=self._target(triplet, triplet.a, source, neutral_text),
            b=self._target(triplet, triplet.b, source, neutral_text),
        )

    def _target(self, triplet: Triplet, target: Target, source: str, neutral_text: str) -> TargetKeys:
        hashes, picture = self.hashes, self._picture(target.image)
        text = hashes.prompt(target.expression, triplet.domain)
        landmarks = self._landmarks(target, picture) if hashes.identities else None
        return TargetKeys(
            prompt_text=text,
            prompt=self._prompt(source, neutral_text, text),
            latents=self._key("latents", hashes.latents, picture),
            feature=hashes.features and self._key("feature", hashes.features, picture, *self._seen()),
            landmarks=landmarks,
            identities={
                name: self._key("identity", sha256, landmarks, *self._seen())
                for name, sha256 in hashes.identities.items()
            },
        )

    def _seen(self) -> tuple[object, ...]:
        return () if self.window is None else (astuple(self.window),)

    def _prompt(self, source: str, neutral_text: str, text: str) -> str:
        return self._key("prompt", self.hashes.text, source, neutral_text, text)

    def _landmarks(self, target: Target, picture: str) -> str:
        """Of those that are given, or of who looks for them where."""
        if target.landmarks_5 is not None:
            return self._key("landmarks", "given", picture, target.landmarks_5)
        return self._key("landmarks", self.hashes.landmarks, picture, target.face_box)

    def _key(self, kind: str, *made_of: object) -> str:
        return sha256_json([VERSION, kind, self.size_px, *made_of])

    def _picture(self, path: Path) -> str:
        if path not in self._pictures:
            try:
                self._pictures[path] = sha256_file(path)
            except OSError as error:
                raise ImageError(
                    f"cannot read the picture {str(path)!r} of a triplet ({error.strerror}): check the path"
                ) from error
        return self._pictures[path]
