"""The frozen networks of a training, as its configuration names them: the model, and those of the terms."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from pixelsmile import embedded
from pixelsmile.editing.backbone import Backbone, backbone_of
from pixelsmile.editing.components import Components, load_components
from pixelsmile.editing.devices import Placement, place
from pixelsmile.editing.family import EDIT
from pixelsmile.editing.folders import (
    EMBEDDED,
    ConditionSize,
    ModelOptions,
    family_of,
    find_model,
    read_options,
)
from pixelsmile.editing.prompts import PromptEncoder
from pixelsmile.errors import InputError
from pixelsmile.faces.detectors.loading import detector_sha256 as sha256_of_detector
from pixelsmile.faces.detectors.loading import load_detector
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Detector
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.features.clip import PUBLISHED, ClipEncoder
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.features.encoder import ImageEncoder, sha256_encoder
from pixelsmile.store.hub import revision_of
from pixelsmile.store.weight_hashes import fingerprint
from pixelsmile.training.config import TrainingConfig
from pixelsmile.triplets.crops import needs_a_detector
from pixelsmile.triplets.triplet import Triplet

_log = logging.getLogger(__name__)

_AUTO = "auto"


@dataclass(frozen=True)
class NetworkHashes:
    """Content hashes of the networks that a cache is computed with; None: that part is not cached.

    prompts: the model's own prompt for an expression or neutral, where it has one. identity_encoder: its
    name. landmarks: of who looks for them where none are given.
    """

    latents: str
    text: str
    prompts: Mapping[str, str]
    features: str | None
    identity_encoder: str | None
    identity: str | None
    landmarks: str | None


@dataclass(frozen=True)
class Networks:
    """All that is frozen in a training.

    image_encoder, identity_encoder: None where their term is off. detector: for targets that come without
    landmarks, and for pictures that are to be cut around a face of which nothing is said, with the hash of
    its weights where it has some. adapted: whether an adapter is trained, and the text encoder sees what it
    sees in an edit with one.
    """

    folder: Path
    options: ModelOptions
    placement: Placement
    components: Components
    image_encoder: ImageEncoder | None = None
    identity_encoder: TorchEncoder | None = None
    detector: Detector | None = None
    detector_sha256: str | None = None
    adapted: bool = True

    @cached_property
    def prompt_encoder(self) -> PromptEncoder:
        """As in an edit."""
        parts = self.components
        seen_size = self.options.seen_size(adapted=self.adapted, family=parts.family)
        return PromptEncoder(
            parts.text_encoder, parts.tokenizer, parts.image_processor, seen_size, parts.family
        )

    @property
    def backbone(self) -> Backbone:
        """How the transformer is called."""
        return backbone_of(self.components.family, self.prompt_encoder.picture_start)

    @cached_property
    def hashes(self) -> NetworkHashes:
        """Of the weights, as they are loaded: another number format gives other numbers. Read once."""
        vae, encoder = self.components.vae, self.identity_encoder
        statistics: JsonValue = [list(vae.config[name]) for name in ("latents_mean", "latents_std")]
        identity = None
        if encoder is not None:
            identity = sha256_encoder(encoder.network, encoder.preprocessing.model_dump(mode="json"))
        return NetworkHashes(
            latents=sha256_encoder(vae, statistics),
            text=sha256_encoder(self.components.text_encoder, _around_text(self.prompt_encoder)),
            prompts=self.options.prompts or {},
            features=None if self.image_encoder is None else self.image_encoder.sha256,
            identity_encoder=None if encoder is None else encoder.name,
            identity=identity,
            landmarks=None if self.detector is None else f"{self.detector.name} {self.detector_sha256}",
        )

    def to_record(self) -> dict[str, JsonValue]:
        """For a manifest: the commit of a model of the hub, and the hashes of all that was used."""
        hashes = self.hashes
        return {
            "revision": revision_of(self.folder),
            "transformer": fingerprint(self.folder / "transformer"),
            "autoencoder": hashes.latents,
            "text_encoder": hashes.text,
            "image_encoder": hashes.features,
            "identity_encoder": hashes.identity,
            "detector": hashes.landmarks,
        }


def load_networks(config: TrainingConfig, triplets: Sequence[Triplet], device: torch.device) -> Networks:
    """Load what the terms that are on need, onto `device`. ModelError, DeviceError, InputError.

    On a CPU all weights are float32, whatever the precision of the arithmetic.
    """
    folder = find_model(config.model.name)
    _check_family(config, folder)
    dtype = "float32" if device.type == "cpu" else config.model.precision
    placement = place(str(device), dtype, quantization=config.model.quantization)
    objective, on_drawn = config.objective, config.model.name == EMBEDDED
    image_encoder = identity_encoder = detector = detector_sha256 = None
    has_all = True
    if objective.contrastive.weight:
        image_encoder = load_image_encoder(objective.contrastive.encoder, config, device)
    if objective.identity.weight:
        identity_encoder = load_identity_encoder(objective.identity.encoder, on_drawn, device)
        has_all = all(target.landmarks_5 for triplet in triplets for target in triplet.targets)
    if not has_all or needs_a_detector(triplets):
        detector = load_detector(config.data.detector, drawn=on_drawn)
        detector_sha256 = sha256_of_detector(config.data.detector, drawn=on_drawn)
    return Networks(
        folder=folder,
        options=read_options(folder),
        placement=placement,
        components=load_components(folder, placement),
        image_encoder=image_encoder,
        identity_encoder=identity_encoder,
        detector=detector,
        detector_sha256=detector_sha256,
        adapted=config.control is None,
    )


def _check_family(config: TrainingConfig, folder: Path) -> None:
    """InputError for what is trained on the first family alone. What must be known of another is logged."""
    family = family_of(folder)
    for remark in family.remarks:
        _log.warning(remark)
    asked = {"control": config.control, "data.window": config.data.window}
    for key, value in asked.items():
        if value is not None and family is not EDIT:
            raise InputError(f"{key} is for {EDIT.name}, {config.model.name} is {family.name}: leave it out")


def _told(seen_size: ConditionSize | None) -> JsonValue:
    if seen_size is None:
        return None
    return seen_size.px if seen_size.enlarges else [seen_size.px, "at most"]


def load_image_encoder(name: str, config: TrainingConfig, device: torch.device) -> ImageEncoder:
    """The encoder of the contrastive term: see `ContrastiveSettings`."""
    if name == EMBEDDED or (name == _AUTO and config.model.name == EMBEDDED):
        return DrawnEncoder.from_folder(embedded.features_path(), device)
    if name != _AUTO:
        return ClipEncoder.from_pretrained(name, device=str(device))
    published = PUBLISHED[config.data.domain]
    return ClipEncoder.from_pretrained(published.repository, published.revision, device=str(device))


def load_identity_encoder(name: str, on_drawn: bool, device: torch.device) -> TorchEncoder:
    """The encoder of the identity term, with gradients: see `IdentitySettings`."""
    if name == EMBEDDED or (name == _AUTO and on_drawn):
        path, kind = embedded.encoder_paths()[0], None
    elif name in WEIGHTS or name == _AUTO:
        kind = "arcface" if name == _AUTO else name
        path = WEIGHTS[kind].require()
    else:
        stated, equals, rest = name.partition("=")
        path, kind = (Path(rest), stated) if equals else (Path(name), None)
        if not path.exists():
            known = [name for name, entry in WEIGHTS.items() if entry.used_by == "identity"]
            raise InputError(
                f"objective.identity.encoder is {name!r}: use auto, embedded, {', '.join(known)}, a "
                "folder, or KIND=FILE"
            )
    encoder = load_encoder(path, kind, differentiable=True, device=str(device))
    assert isinstance(encoder, TorchEncoder)
    return encoder


def _around_text(encoder: PromptEncoder) -> dict[str, Any]:
    """What stands before the text encoder. How the last call padded is no part of the tokenizer."""
    tokenizer = json.loads(encoder.tokenizer.backend_tokenizer.to_str())
    return {
        "template": encoder.template.prefix,
        "tokenizer": {
            name: part for name, part in tokenizer.items() if name not in ("padding", "truncation")
        },
        "image_processor": json.loads(encoder.image_processor.to_json_string()),
        "condition_size": _told(encoder.condition_size),
    }
