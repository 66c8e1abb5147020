"""The networks that the cache is computed with, and their content hashes, by which its entries are named."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage
from pydantic import JsonValue

from pixelsmile.editing.prompts import PREFIX, PromptEncoder
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, Domain, neutral_prompt, target_prompt
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Detector
from pixelsmile.features.encoder import ImageEncoder
from pixelsmile.features.fingerprint import sha256_encoder


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
