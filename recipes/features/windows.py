"""The windows that the features are trained on, drawn once and kept on disk, with the truth of each.

Shape suffixes: N windows, S side in pixels with its margins, 3 channels (RGB), E expressions.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.flow import make_noise
from pixelsmile.hashing import sha256_file
from pixelsmile.networks.expression_features import Window, look_through
from pixelsmile.portraits import render, sample_identity
from recipes.faces.encoders.filling import fill
from recipes.faces.encoders.sittings import mapping
from recipes.features.plan import Plan
from recipes.features.shots import Shot, shot_of
from recipes.work_folder import require_same_plan

_DRAWN = "drawn.npy"
_AUTOENCODER_WEIGHTS = "diffusion_pytorch_model.safetensors"
_DRAWN_AT_ONCE, _RECONSTRUCTED_AT_ONCE = 256, 8


@dataclass(frozen=True)
class Windows:
    """All windows with their margins (uint8), and their scores; the drawn ones come first."""

    drawn: np.ndarray  # NSS3
    reconstructed: np.ndarray  # NSS3
    truths: np.ndarray  # NE
    held_every: int

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Those windows: (B, S, S, 3)."""
        num_drawn = len(self.drawn)
        return np.stack(
            [
                self.drawn[row] if row < num_drawn else self.reconstructed[row - num_drawn]
                for row in rows.tolist()
            ]
        )

    def rows(self, *, held: bool) -> np.ndarray:
        """The numbers of those that are trained on, or of the held ones."""
        numbers_N = np.arange(len(self.truths))
        return numbers_N[(numbers_N % self.held_every == 0) == held]


@dataclass(frozen=True)
class DrawWindow:
    """Draws a window, in whatever process."""

    plan: Plan

    def __call__(self, index: int) -> np.ndarray:
        """The window with its margins (S, S, 3), uint8."""
        return with_margin(self.plan, picture(shot_of(self.plan, index)))


def picture(shot: Shot) -> np.ndarray:
    """The whole picture: uint8 (size, size, 3)."""
    return render(sample_identity(shot.identity_seed), shot.units, shot.domain, shot.size_px)


def to_tensor(pixels_BHWC: np.ndarray) -> Tensor:
    """uint8 pictures as (B, 3, H, W) in -1..1."""
    return torch.from_numpy(pixels_BHWC).permute(0, 3, 1, 2).float() / 127.5 - 1


def with_margin(plan: Plan, pixels_HWC: np.ndarray) -> np.ndarray:
    """The window of a picture with its margins: uint8 (S, S, 3), resized as the encoder does."""
    side_px = plan.network.window_px + 2 * plan.pictures.margin_px
    found_BCHW = look_through(_wider(plan), to_tensor(pixels_HWC[None]), side_px)
    return _to_pixels(found_BCHW)[0]


def draw_all(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw every window into `folder`, unless it is there. Yields how many are done."""
    window = plan.network.window.model_dump() | {"window_px": plan.network.window_px}
    require_same_plan(folder, {"seed": plan.seed, **window, **asdict(plan.pictures), **asdict(plan.faces)})
    if (folder / _DRAWN).is_file():
        return
    shape = (plan.pictures.num_drawn, *_shape(plan))
    with mapping(num_workers) as mapped:
        yield from fill(folder / _DRAWN, shape, lambda rows: mapped(DrawWindow(plan), rows), _DRAWN_AT_ONCE)


def reconstruct_some(
    plan: Plan, autoencoder: Path, folder: Path, device: torch.device
) -> Iterator[dict[str, int]]:
    """Draw the other pictures and pass them through the editor's autoencoder, unless this one did it before.

    autoencoder: its folder. Yields how many are done.
    """
    target = _reconstructed_file(folder, autoencoder)
    if target.is_file():
        return
    vae = AutoencoderKLQwenImage.from_pretrained(
        autoencoder, torch_dtype=torch.float32, trust_remote_code=False
    ).to(device)
    first, shape = plan.pictures.num_drawn, (plan.pictures.num_reconstructed, *_shape(plan))

    def reconstructed(rows: range) -> list[np.ndarray]:
        shots = [shot_of(plan, first + row) for row in rows]
        return [with_margin(plan, pixels) for pixels in reconstructions(plan, vae, shots)]

    yield from fill(target, shape, reconstructed, _RECONSTRUCTED_AT_ONCE)


def load(plan: Plan, autoencoder: Path, folder: Path) -> Windows:
    """What `draw_all` and `reconstruct_some` wrote, memory-mapped, and the truths."""
    files = (folder / _DRAWN, _reconstructed_file(folder, autoencoder))
    drawn_NSS3, reconstructed_NSS3 = (np.load(file, mmap_mode="r") for file in files)
    num = len(drawn_NSS3) + len(reconstructed_NSS3)
    truths_NE = np.stack([shot_of(plan, index).truth() for index in range(num)])
    return Windows(drawn_NSS3, reconstructed_NSS3, truths_NE, plan.pictures.held_every)


@torch.inference_mode()
def reconstructions(plan: Plan, vae: AutoencoderKLQwenImage, shots: list[Shot]) -> np.ndarray:
    """Pictures of one size after the autoencoder, with each one's noise on its latent: uint8 (N, H, W, 3).

    Outside of the window and its margins they stay as drawn: nobody looks there, and it costs as much.
    """
    pictures_NHW3 = np.stack([picture(shot) for shot in shots])
    rows, columns = _region(plan, pictures_NHW3.shape[1], vae.spatial_compression_ratio)
    latents_NCHW = encode_images(vae, to_tensor(pictures_NHW3[:, rows, columns]).to(vae.device))
    _, *shape = latents_NCHW.shape
    noise_NCHW = make_noise([shot.identity_seed for shot in shots], (shape[0], shape[1], shape[2]))
    deviations_N = torch.tensor([shot.noise for shot in shots])
    latents_NCHW = latents_NCHW + (deviations_N[:, None, None, None] * noise_NCHW).to(vae.device)
    pictures_NHW3[:, rows, columns] = _to_pixels(decode_latents(vae, latents_NCHW))
    return pictures_NHW3


def _region(plan: Plan, size_px: int, multiple: int) -> tuple[slice, slice]:
    """Rows and columns of the window with its margins, widened to whole latents."""
    window = _wider(plan)

    def span(start: float) -> slice:
        first = math.floor(start * size_px / multiple) * multiple
        last = math.ceil((start + window.side) * size_px / multiple) * multiple
        return slice(first, min(last, size_px))

    return span(window.top), span(window.left)


def _wider(plan: Plan) -> Window:
    """The window with its margins, as a part of the picture."""
    window = plan.network.window
    margin = window.side * plan.pictures.margin_px / plan.network.window_px
    return Window(left=window.left - margin, top=window.top - margin, side=window.side + 2 * margin)


def _to_pixels(images_BCHW: Tensor) -> np.ndarray:
    pixels_BCHW = ((images_BCHW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels_BCHW.permute(0, 2, 3, 1).cpu().numpy()


def _shape(plan: Plan) -> tuple[int, int, int]:
    side = plan.network.window_px + 2 * plan.pictures.margin_px
    return side, side, 3


def _reconstructed_file(folder: Path, autoencoder: Path) -> Path:
    """Named by the autoencoder's weights, for another one gives other pictures."""
    return folder / f"reconstructed-{sha256_file(autoencoder / _AUTOENCODER_WEIGHTS)[:12]}.npy"
