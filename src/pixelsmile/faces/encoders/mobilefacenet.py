"""MobileFaceNet (Chen et al. 2018): depthwise convolutions, for encoders of a few megabytes.

Built like insightface's (recognition/arcface_torch/backbones/mobilefacenet.py), tensors named as there.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from pixelsmile.faces.encoders.encoder import MAX_FEATURES
from pixelsmile.faces.encoders.iresnet import MAX_BLOCKS, MAX_WIDTH, side_after_stages

_NumBlocks = Annotated[int, Field(ge=0, le=MAX_BLOCKS)]


class MobileFaceNetConfig(BaseModel):
    """The shape of a MobileFaceNet; the defaults are those of insightface's.

    num_blocks: residual blocks after each halving of the picture but the first. width: channels at the
    start; twice as many from the third halving on, four times as many inside the last ones. last_width:
    channels before the whole picture is weighed into one point. num_features: numbers of the embedding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["mobilefacenet"] = "mobilefacenet"
    num_blocks: tuple[_NumBlocks, _NumBlocks, _NumBlocks] = (4, 6, 2)
    width: int = Field(default=128, ge=2, le=MAX_WIDTH, multiple_of=2)
    last_width: int = Field(default=512, ge=2, le=MAX_WIDTH)
    num_features: int = Field(default=512, ge=2, le=MAX_FEATURES)


class MobileFaceNet(nn.Module):
    """(B, 3, size_px, size_px) as the network wants it -> (B, num_features), not of unit length."""

    def __init__(self, config: MobileFaceNetConfig, size_px: int) -> None:
        super().__init__()
        width, twice, four_times = config.width, 2 * config.width, 4 * config.width
        num_second, num_third, num_last = config.num_blocks
        self.layers = nn.ModuleList(
            [
                _ConvBlock(3, width, 3, stride=2),
                _ConvBlock(width, width, 3, groups=max(width // 2, 1)),
                _DepthWise(width, width, width, stride=2),
                _Residual(width, num_second, width),
                _DepthWise(width, twice, twice, stride=2),
                _Residual(twice, num_third, twice),
                _DepthWise(twice, twice, four_times, stride=2),
                _Residual(twice, num_last, twice),
            ]
        )
        self.conv_sep = _ConvBlock(twice, config.last_width, 1)
        self.features = _Weighing(config.last_width, side_after_stages(size_px), config.num_features)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = x_BCHW
        for layer in self.layers:
            x = layer(x)
        return self.features(self.conv_sep(x))


class _Chain(nn.Module):
    """Layers one after another, under the name that insightface gives them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _LinearBlock(_Chain):
    def __init__(self, width_in: int, width_out: int, kernel: int, groups: int = 1) -> None:
        convolution = nn.Conv2d(width_in, width_out, kernel, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(width_out))


class _ConvBlock(_Chain):
    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        convolution = nn.Conv2d(
            width_in, width_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        super().__init__(convolution, nn.BatchNorm2d(width_out), nn.PReLU(width_out))


class _DepthWise(_Chain):
    def __init__(self, width_in: int, width_out: int, inner: int, stride: int = 1) -> None:
        super().__init__(
            _ConvBlock(width_in, inner, 1),
            _ConvBlock(inner, inner, 3, stride, groups=inner),
            _LinearBlock(inner, width_out, 1),
        )


class _AddedDepthWise(_DepthWise):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _Residual(_Chain):
    def __init__(self, width: int, num_blocks: int, inner: int) -> None:
        super().__init__(*(_AddedDepthWise(width, width, inner) for _ in range(num_blocks)))


class _Weighing(_Chain):
    """One point from the whole picture, each channel with its own weights, and the embedding of that."""

    def __init__(self, width: int, side: int, num_features: int) -> None:
        super().__init__(
            _LinearBlock(width, width, side, groups=width),
            nn.Flatten(),
            nn.Linear(width, num_features, bias=False),
            nn.BatchNorm1d(num_features),
        )
