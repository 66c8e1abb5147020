"""The network of the embedded detector: it finds faces at any size, and looks closely at one.

Shape suffixes: B pictures, C channels, H and W rows and columns of a map or of pixels. A picture is
(B, 3, H, W) in -1..1 with sides that are multiples of 32; 0 is the grey around it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pixelsmile.networks.convolutional import (
    ChannelNorm,
    NetworkConfig,
    NumBlocks,
    ResidualBlock,
    SmallNetwork,
    Width,
    halving,
    initialise,
    stage,
)

COARSEST_PX = 32  # sides of pictures are multiples of it
FIND_PX, MARK_PX, MASK_PX = 8, 4, 2  # how far apart the cells of the maps are, in pixels
NUM_LANDMARKS = 5
_CENTRE, _MIDDLE, _SIZE = slice(0, 1), slice(1, 3), slice(3, 5)  # channels of the finding head
_POINTS = slice(5, 5 + 2 * NUM_LANDMARKS)
_MARKS = slice(0, NUM_LANDMARKS)  # channels of the close head; the rest is the mask, to be unfolded
_USUAL_FACE_PX = 32.0  # what an untrained network takes for the size of a face
_SHARPNESS = 4.0  # of the landmarks' logits: one cell of a thousand needs large ones, weights grow slowly
_RARE = -4.0  # logit of a centre at the start: most cells have none


class DrawnFaceConfig(NetworkConfig):
    """What config.json says: channels at strides 2, 4, 8, 16 and 32, residual blocks at the last three."""

    widths: tuple[Width, Width, Width, Width, Width] = (16, 32, 64, 96, 128)
    num_blocks: NumBlocks = 2
    close_width: Width = 32  # of the maps at stride 4 that the close look is made from
    note: str = "It was trained on portraits that pixelsmile draws and knows nothing else."


class FoundMaps(NamedTuple):
    """What each cell of 8 px says about the face around it, in pixels of the picture."""

    centre: Tensor  # BHW, logit: the middle of a face's box is here
    boxes: Tensor  # B4HW: x0, y0, x1, y1
    points: Tensor  # B52HW: five landmarks (x, y)


class CloseMaps(NamedTuple):
    """What a close look says about the face in the middle."""

    marks: Tensor  # B5HW, logits over the cells of 4 px: where each landmark is
    mask: Tensor  # BHW, logit of each cell of 2 px: on the face


class DrawnFaceNetwork(SmallNetwork):
    """Convolutions down to stride 32 and back up; a head at stride 8 that finds, one at 4 for close looks."""

    config_type, noun = DrawnFaceConfig, "detector"
    config: DrawnFaceConfig

    def __init__(self, config: DrawnFaceConfig) -> None:
        super().__init__(config)
        at_2, at_4, at_8, at_16, at_32 = config.widths
        close = config.close_width
        self.stem = nn.Sequential(halving(3, at_2), nn.SiLU(), halving(at_2, at_4), nn.SiLU())
        self.to_8 = stage(at_4, at_8, config.num_blocks)
        self.to_16 = stage(at_8, at_16, config.num_blocks)
        self.to_32 = stage(at_16, at_32, config.num_blocks)
        self.from_32, self.from_16 = nn.Conv2d(at_32, at_16, 1), nn.Conv2d(at_16, at_8, 1)
        self.from_8, self.from_4 = nn.Conv2d(at_8, close, 1), nn.Conv2d(at_4, close, 1)
        self.find = nn.Sequential(ResidualBlock(at_8), ChannelNorm(at_8), nn.Conv2d(at_8, _POINTS.stop, 1))
        mask_channels = (MARK_PX // MASK_PX) ** 2
        self.close = nn.Sequential(
            ResidualBlock(close), ChannelNorm(close), nn.Conv2d(close, NUM_LANDMARKS + mask_channels, 1)
        )
        initialise(self)
        self._expect_few_faces()

    def forward(self, pictures_BCHW: Tensor) -> FoundMaps:
        """Where faces are."""
        return self.found(self._features(pictures_BCHW)[1])

    def look_closely(self, pictures_BCHW: Tensor) -> tuple[FoundMaps, CloseMaps]:
        """The same, and the details of the face in the middle."""
        at_4, at_8 = self._features(pictures_BCHW)
        maps_BCHW = self.close(self.from_4(at_4) + _up(self.from_8(at_8)))
        mask_BHW = nn.functional.pixel_shuffle(maps_BCHW[:, _MARKS.stop :], MARK_PX // MASK_PX)[:, 0]
        return self.found(at_8), CloseMaps(_SHARPNESS * maps_BCHW[:, _MARKS], mask_BHW)

    def _features(self, pictures_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        at_4 = self.stem(pictures_BCHW)
        at_8 = self.to_8(at_4)
        at_16 = self.to_16(at_8)
        at_16 = at_16 + _up(self.from_32(self.to_32(at_16)))
        return at_4, at_8 + _up(self.from_16(at_16))

    def found(self, at_8: Tensor) -> FoundMaps:
        """What the head says, taken from cells to pixels."""
        return in_pixels(self.find(at_8))

    @torch.no_grad()
    def _expect_few_faces(self) -> None:
        """Heads start with what is right most of the time."""
        for head in (self.find[-1], self.close[-1]):
            assert isinstance(head, nn.Conv2d)
            head.weight.mul_(0.1)
        self.find[-1].bias[_CENTRE] = _RARE


def in_pixels(raw_BCHW: Tensor) -> FoundMaps:
    """Raw channels as boxes and landmarks.

    A cell gives the middle of a box from its own (in cells), the logarithm of its sides (in usual faces) and
    the landmarks from the middle of the box, in sides of it: what varies little between faces and sizes.
    """
    rows, columns = raw_BCHW.shape[2:]
    x = (torch.arange(columns, device=raw_BCHW.device) + 0.5) * FIND_PX
    y = (torch.arange(rows, device=raw_BCHW.device) + 0.5) * FIND_PX
    cells_2HW = torch.stack(torch.meshgrid(x, y, indexing="xy")).to(raw_BCHW)
    middle_B2HW = cells_2HW + FIND_PX * raw_BCHW[:, _MIDDLE]
    size_B2HW = _USUAL_FACE_PX * raw_BCHW[:, _SIZE].clamp(-4, 4).exp()
    boxes_B4HW = torch.cat([middle_B2HW - size_B2HW / 2, middle_B2HW + size_B2HW / 2], dim=1)
    shares_B52HW = raw_BCHW[:, _POINTS].unflatten(1, (NUM_LANDMARKS, 2))
    points_B52HW = middle_B2HW[:, None].detach() + size_B2HW[:, None].detach() * shares_B52HW
    return FoundMaps(raw_BCHW[:, _CENTRE][:, 0], boxes_B4HW, points_B52HW)


def marks_in_pixels(marks_B5HW: Tensor) -> Tensor:
    """The landmarks (B, 5, 2): the mean place under the softmax over the cells (Sun et al. 2018)."""
    rows, columns = marks_B5HW.shape[2:]
    shares_B5HW = marks_B5HW.flatten(2).softmax(-1).unflatten(-1, (rows, columns))
    x = (torch.arange(columns, device=marks_B5HW.device) + 0.5).to(marks_B5HW) * MARK_PX
    y = (torch.arange(rows, device=marks_B5HW.device) + 0.5).to(marks_B5HW) * MARK_PX
    return torch.stack([shares_B5HW.sum(2) @ x, shares_B5HW.sum(3) @ y], dim=-1)


def _up(maps_BCHW: Tensor) -> Tensor:
    return nn.functional.interpolate(maps_BCHW, scale_factor=2.0, mode="bilinear", align_corners=False)
