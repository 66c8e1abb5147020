"""The frozen networks of a training, as its configuration names them: the model, and those of the terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pixelsmile import embedded
from pixelsmile.editing.components import Components, load_components
from pixelsmile.editing.devices import Placement, place
from pixelsmile.editing.folders import EMBEDDED, ModelOptions, find_model, read_options
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
from pixelsmile.features.encoder import ImageEncoder
from pixelsmile.hashing import sha256_bytes, sha256_file, sha256_json
from pixelsmile.training.cache_keys import CacheParts
from pixelsmile.training.config import TrainingConfig
from pixelsmile.triplets.triplet import Triplet

_AUTO = "auto"
_SAMPLED_BYTES = 2**20


@dataclass(frozen=True)
class Networks:
    """All that is frozen. image_encoder, identity_encoder: None where their term is off."""

    folder: Path
    options: ModelOptions
    placement: Placement
    components: Components
    image_encoder: ImageEncoder | None
    identity_encoder: TorchEncoder | None
    detector: Detector | None
    detector_sha256: str | None

    def cache_parts(self) -> CacheParts:
        """What the cache is computed with."""
        parts = self.components
        prompts = PromptEncoder(
            parts.text_encoder, parts.tokenizer, parts.image_processor, self.options.condition_size
        )
        return CacheParts(
            vae=parts.vae,
            prompt_encoder=prompts,
            device=self.placement.device,
            image_encoder=self.image_encoder,
            identity_encoders=() if self.identity_encoder is None else (self.identity_encoder,),
            detector=self.detector,
            detector_sha256=self.detector_sha256,
            prompts=self.options.prompts or {},
        )


def load_networks(config: TrainingConfig, triplets: Sequence[Triplet], device: torch.device) -> Networks:
    """Load what the terms that are on need, onto `device`. ModelError, DeviceError, InputError.

    On a CPU all weights are float32, whatever the precision of the arithmetic.
    """
    folder = find_model(config.model.name)
    dtype = "float32" if device.type == "cpu" else config.model.precision
    placement = place(str(device), dtype, quantization=config.model.quantization)
    objective, on_drawn = config.objective, config.model.name == EMBEDDED
    image_encoder = identity_encoder = detector = detector_sha256 = None
    if objective.contrastive.weight:
        image_encoder = load_image_encoder(objective.contrastive.encoder, config, device)
    if objective.identity.weight:
        identity_encoder = load_identity_encoder(objective.identity.encoder, on_drawn, device)
        if any(target.landmarks_5 is None for triplet in triplets for target in (triplet.a, triplet.b)):
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
    )


def load_image_encoder(name: str, config: TrainingConfig, device: torch.device) -> ImageEncoder:
    """The encoder of the contrastive term: see `ContrastiveConfig`."""
    if name == EMBEDDED or (name == _AUTO and config.model.name == EMBEDDED):
        return DrawnEncoder.from_folder(embedded.features_path(), device)
    if name != _AUTO:
        return ClipEncoder.from_pretrained(name, device=str(device))
    published = PUBLISHED[config.data.domain]
    return ClipEncoder.from_pretrained(published.source, published.revision, device=str(device))


def load_identity_encoder(name: str, on_drawn: bool, device: torch.device) -> TorchEncoder:
    """The encoder of the identity term, with gradients: see `IdentityConfig`."""
    if name == EMBEDDED or (name == _AUTO and on_drawn):
        path, kind = embedded.encoder_paths()[0], None
    elif name in WEIGHTS or name == _AUTO:
        kind = "arcface" if name == _AUTO else name
        path = WEIGHTS[kind].require()
    else:
        stated, equals, rest = name.partition("=")
        path, kind = (Path(rest), stated) if equals else (Path(name), None)
        if not path.exists():
            raise InputError(
                f"objective.identity.encoder is {name!r}: use auto, embedded, {', '.join(_ENCODER_NAMES)}, a "
                "folder, or KIND=FILE"
            )
    encoder = load_encoder(path, kind, differentiable=True, device=str(device))
    assert isinstance(encoder, TorchEncoder)
    return encoder


def transformer_hash(folder: Path) -> str:
    """A fingerprint of the transformer's weights: its config, and sizes, heads and tails of its files.

    Reading 40 GB at every start would take minutes; two trainings of one architecture differ everywhere.
    """
    found: dict[str, str] = {}
    for path in sorted((folder / "transformer").iterdir()):
        if path.suffix == ".json":
            found[path.name] = sha256_file(path)
        elif path.suffix == ".safetensors":
            found[path.name] = _sampled_hash(path)
    return sha256_json(found)


def _sampled_hash(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_SAMPLED_BYTES)
        file.seek(max(0, size - _SAMPLED_BYTES))
        return sha256_bytes(f"{size} ".encode() + head + file.read())


_ENCODER_NAMES = tuple(name for name, entry in WEIGHTS.items() if entry.used_by == "identity")
