"""The network of the embedded image encoder: features that say which expression a drawn portrait shows.

Shape suffixes: B pictures, C channels, H and W rows and columns, D numbers of a feature. A window is
(B, 3, H, W) in -1..1 with the sides that the configuration says.
"""

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from pixelsmile.networks.files import CONFIG_FILE, WEIGHTS_FILE, NumBlocks, Width, read_network

STRIDE_PX = 16  # of the coarsest maps
_GROUP = 8  # channels that are normalised together


class Window(BaseModel):
    """The part of a picture that is looked at, in shares of its sides: where drawn portraits have the face.

    Over the whole, brows and lids would be a pixel high. It is one place for all pictures, so that a face
    need not be found in a picture that is predicted from noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: float = Field(default=0.1875, ge=0, lt=1)
    top: float = Field(default=0.28125, ge=0, lt=1)
    side: float = Field(default=0.625, gt=0, le=1)


class DrawnFeaturesConfig(BaseModel):
    """What config.json says: channels at strides 2, 4, 8 and 16, residual blocks at the last three."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "drawn-portraits"
    window: Window = Field(default_factory=Window)
    window_px: int = Field(default=96, ge=STRIDE_PX, le=1024, multiple_of=STRIDE_PX)
    widths: tuple[Width, Width, Width, Width] = (24, 40, 80, 128)
    num_blocks: tuple[NumBlocks, NumBlocks, NumBlocks] = (1, 2, 1)
    flat_width: Width = 32  # of the last maps, before places are told apart
    num_features: Width = 128
    note: str = "It was trained on portraits that pixelsmile draws and knows nothing else."


class DrawnFeaturesNetwork(nn.Module):
    """Convolutions down to stride 16, then one view of the whole window."""

    def __init__(self, config: DrawnFeaturesConfig) -> None:
        super().__init__()
        self.config = config
        at_2, at_4, at_8, at_16 = config.widths
        num_cells = (config.window_px // STRIDE_PX) ** 2
        self.body = nn.Sequential(
            _down(3, at_2), nn.SiLU(),
            *_stage(at_2, at_4, config.num_blocks[0]),
            *_stage(at_4, at_8, config.num_blocks[1]),
            *_stage(at_8, at_16, config.num_blocks[2]),
            _norm(at_16), nn.Conv2d(at_16, config.flat_width, 1), nn.SiLU(), nn.Flatten(),
            nn.Linear(num_cells * config.flat_width, config.num_features),
        )  # fmt: skip
        self.standard = _Standard(config.num_features)
        _start(self)

    def forward(self, windows_BCHW: Tensor) -> Tensor:
        """Features (B, D) of any length."""
        features_BD: Tensor = self.standard(self.body(windows_BCHW))
        return features_BD


def look_through(window: Window, images_BCHW: Tensor, size_px: int) -> Tensor:
    """That part of pictures of any size, resized to a square of `size_px`; differentiable.

    Smoothed where it shrinks. The window's borders are rounded to whole pixels.
    """
    height, width = images_BCHW.shape[-2:]
    top, left = round(window.top * height), round(window.left * width)
    bottom, right = round((window.top + window.side) * height), round((window.left + window.side) * width)
    inside_BCHW = images_BCHW[..., top : max(bottom, top + 1), left : max(right, left + 1)]
    return functional.interpolate(inside_BCHW, (size_px, size_px), mode="bilinear", antialias=True)


def load_network(folder: Path) -> DrawnFeaturesNetwork:
    """The network in `folder`, in float32, for inference. ModelError where it is absent or damaged."""
    return read_network(folder, DrawnFeaturesConfig, DrawnFeaturesNetwork, "image encoder")


def save_network(folder: Path, network: DrawnFeaturesNetwork) -> None:
    """Write `network` as a folder that `load_network` reads: weights in float16, statistics in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name for name, _ in network.named_parameters()}
    state = {
        name: (tensor.half() if name in weights else tensor.float()).detach().contiguous()
        for name, tensor in network.state_dict().items()
    }
    save_file(state, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(network.config.model_dump_json(indent=2) + "\n", encoding="utf-8")


class _Block(nn.Module):
    """A residual block that starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return maps_BCHW + self.second(functional.silu(self.first(self.norm(maps_BCHW))))


class _Standard(nn.Module):
    """Each number of a feature with mean 0 and deviation 1: over the batch in training, then over all of it.

    What all pictures share would else make all features alike, and nothing that tells them apart is learnt.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, features_BD: Tensor) -> Tensor:
        return functional.batch_norm(features_BD.float(), self.mean, self.variance, training=self.training)


def _stage(width_in: int, width_out: int, num_blocks: int) -> list[nn.Module]:
    return [_down(width_in, width_out), *(_Block(width_out) for _ in range(num_blocks))]


def _down(width_in: int, width_out: int) -> nn.Conv2d:
    return nn.Conv2d(width_in, width_out, 3, stride=2, padding=1)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, width // _GROUP), width)


@torch.no_grad()
def _start(network: DrawnFeaturesNetwork) -> None:
    """He's initialisation; blocks start as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, _Block):
            nn.init.zeros_(module.second.weight)
