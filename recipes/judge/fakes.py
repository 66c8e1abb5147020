"""Crops that pixelsmile did not draw, for the judge to learn the difference.

Drawn faces are warped, lit and grained as photographs are, or laid over one another; textures and photographs
of other things show what a detector may take for a face.

Shape suffixes: B crops, C = 3 channels (RGB), H = W side in pixels. Crops are (B, 3, H, W) in -1..1.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from pixelsmile.errors import ModelError, install
from recipes.judge.plan import FakePlan

_OCTAVES = (3, 6, 12, 24, 48)
_LEAST_STD = 0.15  # of a photograph's part: night and walls show nothing


def load_photographs(names: Sequence[str]) -> list[np.ndarray]:
    """Pictures of scikit-image (H, W, 3), uint8; ModelError where it is not installed."""
    try:
        from skimage import data
    except ImportError:
        raise ModelError(f"training the judge needs scikit-image: {install('faces')}") from None
    found = [np.asarray(getattr(data, name)()) for name in names]
    return [np.repeat(one[..., None], 3, axis=-1) if one.ndim == 2 else one[..., :3] for one in found]


def fakes(
    faces_BCHW: Tensor, photographs: Sequence[np.ndarray], plan: FakePlan, rng: np.random.Generator
) -> Tensor:
    """`plan.num` fakes; faces_BCHW: at least two drawn ones to be made strange."""
    found = [_fake(faces_BCHW, photographs, plan, rng) for _ in range(plan.num)]
    return torch.stack(found).clamp(-1, 1)


def _fake(
    faces_BCHW: Tensor, photographs: Sequence[np.ndarray], plan: FakePlan, rng: np.random.Generator
) -> Tensor:
    one, other = (faces_BCHW[index] for index in rng.choice(len(faces_BCHW), 2, replace=False))
    side = one.shape[1]
    photograph = part_of_photograph(photographs, side, rng)
    match rng.integers(6):
        case 0 | 1:
            return photographed(one, photograph, plan, rng)
        case 2:
            mask_1HW = (noise(side, 0.5, rng) * 2).sigmoid()
            return photographed(torch.lerp(one, other, mask_1HW), photograph, plan, rng)
        case 3:
            return torch.lerp(one, photograph, float(rng.uniform(0.35, 0.7)))
        case 4:
            return _texture(side, rng)
    return photograph


def photographed(
    face_CHW: Tensor, photograph_CHW: Tensor, plan: FakePlan, rng: np.random.Generator
) -> Tensor:
    """A drawn face as a camera might have seen it: uneven outlines, light from a side, skin with a grain."""
    side = face_CHW.shape[1]
    steps_2HW = torch.cat([noise(side, 0.4, rng), noise(side, 0.4, rng)]) * float(
        rng.uniform(1, plan.max_warp_px)
    )
    face_CHW = _warped(face_CHW, steps_2HW)
    light_1HW = 1 + noise(side, 0.15, rng) * float(rng.uniform(*plan.shading))
    grain = float(rng.uniform(*plan.texture))
    if rng.random() < 0.5:
        detail_1HW = noise(side, 1.0, rng)
    else:
        grey_1HW = photograph_CHW.mean(0, keepdim=True)
        detail_1HW = (grey_1HW - functional.avg_pool2d(grey_1HW, 9, 1, 4)) / grey_1HW.std().clamp(min=0.05)
    lit_CHW = (face_CHW + 1) * light_1HW - 1 + 2 * grain * detail_1HW
    gains_C11 = torch.from_numpy(rng.normal(1, 0.08, (3, 1, 1)).astype(np.float32))
    if rng.random() < 0.15:
        lit_CHW = lit_CHW.mean(0, keepdim=True).expand_as(face_CHW)
    return lit_CHW * gains_C11


def part_of_photograph(photographs: Sequence[np.ndarray], side: int, rng: np.random.Generator) -> Tensor:
    """A square of one that shows something, of any size from 24 pixels on, turned by quarters."""
    while (part_CHW := _part(photographs[int(rng.integers(len(photographs)))], side, rng)).std() < _LEAST_STD:
        continue
    return part_CHW


def _part(picture_HWC: np.ndarray, side: int, rng: np.random.Generator) -> Tensor:
    height, width = picture_HWC.shape[:2]
    cut = int(np.exp(rng.uniform(np.log(24), np.log(min(height, width)))))
    y, x = (int(rng.integers(length - cut + 1)) for length in (height, width))
    square = Image.fromarray(np.ascontiguousarray(picture_HWC[y : y + cut, x : x + cut]))
    pixels_HWC = np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))
    pixels_HWC = np.rot90(pixels_HWC, int(rng.integers(4))).copy()
    gains_3 = rng.normal(1, 0.15, 3).astype(np.float32)
    return torch.from_numpy(pixels_HWC / np.float32(127.5) * gains_3 - 1).permute(2, 0, 1)


def noise(side: int, decay: float, rng: np.random.Generator) -> Tensor:
    """A field of deviation 1 (1, H, W): each octave has `decay` times the height of the one before."""
    field_1HW = torch.zeros(1, side, side)
    for level, cells in enumerate(_OCTAVES):
        grid = torch.from_numpy(rng.standard_normal((1, 1, cells, cells), np.float32))
        octave = functional.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)[0]
        field_1HW += octave * decay**level
    return field_1HW / field_1HW.std()


def _texture(side: int, rng: np.random.Generator) -> Tensor:
    """Colours between two, as a field says; now and then with hard edges."""
    field_1HW = noise(side, float(rng.uniform(0.3, 1.2)), rng)
    if rng.random() < 0.3:
        field_1HW = (field_1HW * 2).round() / 2
    ends_2C11 = torch.from_numpy(rng.uniform(-1, 1, (2, 3, 1, 1)).astype(np.float32))
    return torch.lerp(ends_2C11[0], ends_2C11[1], field_1HW.sigmoid()) + 0.05 * noise(side, 1.0, rng)


def _warped(face_CHW: Tensor, steps_2HW: Tensor) -> Tensor:
    """Each pixel from some steps away (in pixels)."""
    side = face_CHW.shape[1]
    identity = functional.affine_grid(torch.eye(2, 3)[None], [1, 1, side, side], align_corners=False)
    grid = identity + steps_2HW.permute(1, 2, 0)[None] * (2 / side)
    return functional.grid_sample(
        face_CHW[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0]
