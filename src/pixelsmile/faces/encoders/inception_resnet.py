"""Inception-ResNet v1, the network of FaceNet, at any width and number of blocks.

Tensors are named as in timesler/facenet-pytorch (models/inception_resnet_v1.py).
"""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from pixelsmile.faces.encoders.encoder import MAX_FEATURES
from pixelsmile.faces.encoders.insightface import NumBlocksOrNone

_EPS = 1e-3  # of TensorFlow, where the published weights were trained


class InceptionResnetConfig(BaseModel):
    """The shape of an Inception-ResNet v1; the defaults are those of the published FaceNet.

    num_blocks: repetitions of each kind of block, before the last one. width: factor on the number of
    channels everywhere. num_features: numbers of the embedding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["inception_resnet_v1"] = "inception_resnet_v1"
    num_blocks: tuple[NumBlocksOrNone, NumBlocksOrNone, NumBlocksOrNone] = (5, 10, 5)
    width: float = Field(default=1.0, gt=0, le=16)
    num_features: int = Field(default=512, ge=2, le=MAX_FEATURES)


class InceptionResnetV1(nn.Module):
    """(B, 3, H, W) as the network wants it, H and W at least 80 -> (B, num_features), not of unit length."""

    def __init__(self, config: InceptionResnetConfig) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(round(channels * config.width), 1)

        num_35, num_17, num_8 = config.num_blocks
        c32, c64, c80, c192, c256 = (scaled(channels) for channels in (32, 64, 80, 192, 256))
        self.conv2d_1a = _Convolution(3, c32, 3, stride=2)
        self.conv2d_2a = _Convolution(c32, c32, 3)
        self.conv2d_2b = _Convolution(c32, c64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = _Convolution(c64, c80, 1)
        self.conv2d_4a = _Convolution(c80, c192, 3)
        self.conv2d_4b = _Convolution(c192, c256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block_35(c256, c32) for _ in range(num_35)))
        self.mixed_6a = _Reduction(
            _Convolution(c256, scaled(384), 3, stride=2),
            nn.Sequential(
                _Convolution(c256, c192, 1),
                _Convolution(c192, c192, 3, padding=1),
                _Convolution(c192, c256, 3, stride=2),
            ),
        )
        wide = scaled(384) + 2 * c256  # with the maximum over c256
        self.repeat_2 = nn.Sequential(*(_block_17(wide, scaled(128)) for _ in range(num_17)))
        self.mixed_7a = _Reduction(
            nn.Sequential(_Convolution(wide, c256, 1), _Convolution(c256, scaled(384), 3, stride=2)),
            nn.Sequential(_Convolution(wide, c256, 1), _Convolution(c256, c256, 3, stride=2)),
            nn.Sequential(
                _Convolution(wide, c256, 1),
                _Convolution(c256, c256, 3, padding=1),
                _Convolution(c256, c256, 3, stride=2),
            ),
        )
        widest = wide + scaled(384) + 2 * c256
        self.repeat_3 = nn.Sequential(*(_block_8(widest, c192, 0.2) for _ in range(num_8)))
        self.block8 = _block_8(widest, c192, 1.0, relu=False)
        self.last_linear = nn.Linear(widest, config.num_features, bias=False)
        self.last_bn = nn.BatchNorm1d(config.num_features, eps=_EPS)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x_BCHW))))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        return self.last_bn(self.last_linear(x.mean(dim=(2, 3))))


class _Convolution(nn.Module):
    def __init__(
        self,
        width_in: int,
        width_out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width_out, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class _Residual(nn.Module):
    """Branches side by side, brought back to the width of their input and added to it at `scale`."""

    def __init__(self, branches: list[nn.Module], branches_width: int, width: int, scale: float, relu: bool):
        super().__init__()
        self.num_branches = len(branches)
        for index, branch in enumerate(branches):
            setattr(self, f"branch{index}", branch)
        self.conv2d = nn.Conv2d(branches_width, width, 1)
        self.scale, self.relu = scale, relu

    def forward(self, x: Tensor) -> Tensor:
        branches = [getattr(self, f"branch{index}")(x) for index in range(self.num_branches)]
        out = self.conv2d(torch.cat(branches, 1)) * self.scale + x
        return out.relu() if self.relu else out


def _block_35(width: int, inner: int) -> _Residual:
    branches = [
        _Convolution(width, inner, 1),
        nn.Sequential(_Convolution(width, inner, 1), _Convolution(inner, inner, 3, padding=1)),
        nn.Sequential(
            _Convolution(width, inner, 1),
            _Convolution(inner, inner, 3, padding=1),
            _Convolution(inner, inner, 3, padding=1),
        ),
    ]
    return _Residual(branches, 3 * inner, width, 0.17, relu=True)


def _block_17(width: int, inner: int) -> _Residual:
    return _crossed(width, inner, 7, 0.1, relu=True)


def _block_8(width: int, inner: int, scale: float, relu: bool = True) -> _Residual:
    return _crossed(width, inner, 3, scale, relu)


def _crossed(width: int, inner: int, length: int, scale: float, relu: bool) -> _Residual:
    """A point beside a cross: 1 x length, then length x 1."""
    cross = nn.Sequential(
        _Convolution(width, inner, 1),
        _Convolution(inner, inner, (1, length), padding=(0, length // 2)),
        _Convolution(inner, inner, (length, 1), padding=(length // 2, 0)),
    )
    return _Residual([_Convolution(width, inner, 1), cross], 2 * inner, width, scale, relu)


class _Reduction(nn.Module):
    """Halves the picture by branches side by side, and by a maximum beside them."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.num_branches = len(branches)
        for index, branch in enumerate(branches):
            setattr(self, f"branch{index}", branch)
        self.maximum = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        branches = [getattr(self, f"branch{index}")(x) for index in range(self.num_branches)]
        return torch.cat([*branches, self.maximum(x)], 1)
