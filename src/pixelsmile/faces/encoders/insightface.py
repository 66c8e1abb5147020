"""IResNet and MobileFaceNet, the networks of insightface, at any depth and width, tensors named as there.

Sources: insightface, recognition/arcface_torch/backbones/iresnet.py and mobilefacenet.py (Chen et al. 2018:
depthwise convolutions, for encoders of a few megabytes). AdaFace's own network (mk-minchul/AdaFace, net.py,
IR-18 to IR-101) computes what IResNet does but for one thing: where a block halves the picture and keeps the
number of channels, its shortcut takes every second pixel instead of a convolution.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from pixelsmile.faces.encoders.encoder import MAX_FEATURES

_HALVINGS = 16  # each of the four stages halves the picture
EPS = 1e-5

# Far beyond every published network, and small enough to be compared with the weights.
MAX_BLOCKS = 200
MAX_WIDTH = 8192

NumBlocks = Annotated[int, Field(ge=1, le=MAX_BLOCKS)]
NumBlocksOrNone = Annotated[int, Field(ge=0, le=MAX_BLOCKS)]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]

# Blocks in each stage, by the number in the name.
DEPTHS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
}


class IResNetConfig(BaseModel):
    """The shape of an IResNet; the defaults are those of the published ones, at depth 100.

    layers: blocks in each stage. widths: channels in each stage. stem_width: channels before the first.
    num_features: numbers of the embedding. shortcut: how one that keeps its channels halves the picture
    (`convolution`: insightface, `subsampling`: AdaFace).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["iresnet"] = "iresnet"
    layers: tuple[NumBlocks, NumBlocks, NumBlocks, NumBlocks] = DEPTHS[100]
    widths: tuple[Width, Width, Width, Width] = (64, 128, 256, 512)
    stem_width: Width = 64
    num_features: int = Field(default=512, ge=2, le=MAX_FEATURES)
    shortcut: Literal["convolution", "subsampling"] = "convolution"


class IResNet(nn.Module):
    """(B, 3, size_px, size_px) as the network wants it -> (B, num_features), not of unit length."""

    def __init__(self, config: IResNetConfig, size_px: int) -> None:
        super().__init__()
        self.conv1 = _convolution(3, config.stem_width, 3)
        self.bn1 = nn.BatchNorm2d(config.stem_width, eps=EPS)
        self.prelu = nn.PReLU(config.stem_width)
        width = config.stem_width
        for stage, (num_blocks, next_width) in enumerate(zip(config.layers, config.widths, strict=True), 1):
            blocks = [_Block(width, next_width, 2, config.shortcut)]
            blocks += [_Block(next_width, next_width, 1, config.shortcut) for _ in range(num_blocks - 1)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            width = next_width
        self.bn2 = nn.BatchNorm2d(width, eps=EPS)
        self.fc = nn.Linear(width * side_after_stages(size_px) ** 2, config.num_features)
        self.features = nn.BatchNorm1d(config.num_features, eps=EPS)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(x_BCHW)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; the second one halves the picture where stride is 2."""

    def __init__(self, width_in: int, width_out: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in, eps=EPS)
        self.conv1 = _convolution(width_in, width_out, 3)
        self.bn2 = nn.BatchNorm2d(width_out, eps=EPS)
        self.prelu = nn.PReLU(width_out)
        self.conv2 = _convolution(width_out, width_out, 3, stride)
        self.bn3 = nn.BatchNorm2d(width_out, eps=EPS)
        self.stride = stride
        self.downsample = None
        if width_in != width_out or (stride != 1 and shortcut == "convolution"):
            self.downsample = nn.Sequential(
                _convolution(width_in, width_out, 1, stride), nn.BatchNorm2d(width_out, eps=EPS)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.bn1(x))
        out = self.conv2(self.prelu(self.bn2(out)))
        if self.downsample is not None:
            return self.bn3(out) + self.downsample(x)
        return self.bn3(out) + x[:, :, :: self.stride, :: self.stride]


def side_after_stages(size_px: int) -> int:
    """Height and width of what the last stage gives for pictures of `size_px`."""
    return -(-size_px // _HALVINGS)


def _convolution(width_in: int, width_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width_out, kernel, stride, padding=kernel // 2, bias=False)


class MobileFaceNetConfig(BaseModel):
    """The shape of a MobileFaceNet; the defaults are those of insightface's.

    num_blocks: residual blocks after each halving of the picture but the first. width: channels at the
    start; twice as many from the third halving on, four times as many inside the last ones. last_width:
    channels before the whole picture is weighed into one point. num_features: numbers of the embedding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["mobilefacenet"] = "mobilefacenet"
    num_blocks: tuple[NumBlocksOrNone, NumBlocksOrNone, NumBlocksOrNone] = (4, 6, 2)
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
