"""CLIP's image encoder (Radford et al. 2021) from a local folder or the model hub, with gradients.

The features are the pooled output of the vision tower, without the projection to the text's space, as in the
reference. Pictures are prepared as the model's own image processor does, in torch: the short side resized
(bicubic, antialiased), the middle cut out, normalised. The reference squeezes any picture to a square
instead, bilinear and without smoothing; that is not what CLIP was trained on.

Shape suffixes: B pictures, C = 3 channels (RGB), H and W height and width in pixels, D numbers of a feature.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional
from transformers import CLIPImageProcessorPil, CLIPVisionModel

from pixelsmile.errors import DeviceError, ModelError
from pixelsmile.expressions import Domain
from pixelsmile.features.encoder import require_pictures, sha256_encoder, unit_length
from pixelsmile.limits import read_json_object, validated
from pixelsmile.store.hub import REPOSITORIES, Repository
from pixelsmile.store.safetensors_header import read_header

_RESAMPLING: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


_Side = Annotated[int, Field(ge=1, le=2**16)]
_Layers = Annotated[int, Field(ge=1, le=256)]
_MAX_PICTURE_PX = 4096
_READ = ("config.json", "preprocessor_config.json", "processor_config.json")  # by transformers


class _Shape(BaseModel):
    """Of a vision tower, as far as config.json says it: what would be built before the weights are seen."""

    model_config = ConfigDict(extra="ignore", strict=True)

    hidden_size: _Side | None = None
    intermediate_size: _Side | None = None
    num_hidden_layers: _Layers | None = None
    num_attention_heads: _Side | None = None
    image_size: Annotated[int, Field(ge=1, le=_MAX_PICTURE_PX)] | None = None
    patch_size: Annotated[int, Field(ge=1, le=_MAX_PICTURE_PX)] | None = None
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2"] | None = None  # others are code


# DanbooruCLIP's main branch has a pickle alone; safetensors of the same weights wait in its first request.
PUBLISHED: dict[Domain, Repository] = {
    "human": REPOSITORIES["clip"],
    "anime": REPOSITORIES["danbooru-clip"],
}


@dataclass(frozen=True)
class ClipPreprocessing:
    """What the vision tower is given. short_px: the side that a picture's shorter one is resized to."""

    short_px: int
    crop_px: int
    resampling: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]  # of RGB in 0..1
    std: tuple[float, float, float]

    def apply(self, images_BCHW: Tensor) -> Tensor:
        """(B, 3, crop_px, crop_px) from pictures in -1..1 of any size; differentiable."""
        height, width = images_BCHW.shape[-2:]
        short = min(height, width)
        size = [int(self.short_px * side / short) for side in (height, width)]
        unit_BCHW = images_BCHW / 2 + 0.5
        unit_BCHW = functional.interpolate(unit_BCHW, size, mode=self.resampling, antialias=True)
        top, left = ((side - self.crop_px) // 2 for side in size)
        cut_BCHW = unit_BCHW.clamp(0, 1)[..., top : top + self.crop_px, left : left + self.crop_px]
        mean, std = (images_BCHW.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (cut_BCHW - mean) / std


class ClipEncoder:
    """An `ImageEncoder` around CLIP's vision tower. It runs in its own precision, also under autocast."""

    def __init__(self, name: str, network: CLIPVisionModel, preprocessing: ClipPreprocessing) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self._network = network.eval().requires_grad_(False)

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str],
        revision: str | None = None,
        *,
        device: str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "ClipEncoder":
        """The encoder in a folder as transformers saves them (CLIPModel or CLIPVisionModel), or of a hub id.

        device: None takes a GPU where there is one. ModelError where it is absent, incomplete, a pickle
        (which is never loaded) or no CLIP; DeviceError where the device is not there.
        """
        _check_folder(Path(source))
        preprocessing = _read_preprocessing(str(source), revision)
        network = _read_network(str(source), revision, dtype)
        if preprocessing.crop_px != network.config.image_size:
            raise ModelError(
                f"{source} prepares pictures of {preprocessing.crop_px} px for a network of "
                f"{network.config.image_size} px: fetch it again"
            )
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            return cls(str(source), network.to(device), preprocessing)
        except (RuntimeError, AssertionError):  # an unknown name; a build without CUDA
            raise DeviceError(f"no device {device!r} on this machine for CLIP: use cpu") from None

    @cached_property
    def sha256(self) -> str:
        """See `ImageEncoder`."""
        return sha256_encoder(self._network, {"kind": "clip", **asdict(self.preprocessing)})

    def features(self, images_BCHW: Tensor) -> Tensor:
        """See `ImageEncoder`. Pictures come to the network's device and features go back to theirs."""
        require_pictures(images_BCHW)
        with torch.autocast(self._network.device.type, enabled=False):
            prepared_BCHW = self.preprocessing.apply(images_BCHW.to(self._network.device, torch.float32))
            found_BD = self._network(pixel_values=prepared_BCHW.to(self._network.dtype)).pooler_output
        return unit_length(found_BD.float()).to(images_BCHW.device)


def _check_folder(folder: Path) -> None:
    """Refuse files of a folder that ask for what cannot be, or for another model."""
    if not folder.is_dir():
        return  # of the hub
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder} holds an adapter_config.json, which would load another model: remove it")
    found = {
        name: read_json_object(folder / name, error=ModelError) for name in _READ if (folder / name).exists()
    }
    config = found.get("config.json", {})
    for part in (config, config.get("vision_config") or {}):
        validated(_Shape, part, repr(str(folder / "config.json")), error=ModelError)
    for file in sorted(folder.glob("model*.safetensors")):
        read_header(file, error=ModelError)


def _read_preprocessing(source: str, revision: str | None) -> ClipPreprocessing:
    try:
        processor: Any = CLIPImageProcessorPil.from_pretrained(
            source, revision=revision, trust_remote_code=False
        )
        whole = (
            processor.do_resize
            and processor.do_center_crop
            and processor.do_rescale
            and processor.do_normalize
        )
        crop, short_px = processor.crop_size, processor.size.shortest_edge
        if not (whole and short_px and crop.height == crop.width <= short_px):
            raise ValueError("it does not resize the short side, cut a square and normalise")
        if short_px > _MAX_PICTURE_PX:
            raise ValueError(f"it resizes to {short_px} px")
        if not (_are_numbers(processor.image_mean, -10) and _are_numbers(processor.image_std, 1e-3)):
            raise ValueError("its image_mean or image_std are no three numbers")
        resampling = _RESAMPLING[int(processor.resample)]
        return ClipPreprocessing(
            short_px, crop.height, resampling, tuple(processor.image_mean), tuple(processor.image_std)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"no image processor of CLIP in {source!r} ({_reason(error)}): give a folder with "
            "preprocessor_config.json, or a hub id"
        ) from error


def _read_network(source: str, revision: str | None, dtype: torch.dtype) -> CLIPVisionModel:
    try:
        network, report = CLIPVisionModel.from_pretrained(
            source,
            revision=revision,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"no CLIP in {source!r} ({_reason(error)}): give a folder with config.json and "
            "model.safetensors, or a hub id; pickles are not loaded"
        ) from error
    if report["missing_keys"] or report["mismatched_keys"]:
        first = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))[0]
        raise ModelError(f"the CLIP in {source!r} is incomplete ({first}): fetch it again")
    for name, weight in network.named_parameters():
        if not weight.isfinite().all():
            raise ModelError(f"the CLIP in {source!r} holds NaN or infinities ({name}): fetch it again")
    return network


def _are_numbers(values: Any, lowest: float) -> bool:
    """Whether they are three, from `lowest` to 10: of RGB in 0..1."""
    return len(values) == 3 and all(lowest <= value <= 10 for value in values)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
