"""What the editor is trained on, computed once: latents of the pictures, and what the text encoder sees."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image

from pixelsmile.editing.autoencoder import encode_frames, normalise
from pixelsmile.editing.pictures import resized
from recipes.embedded.autoencoder import to_images
from recipes.embedded.loop import autocast
from recipes.embedded.text import build_image_processor

BATCH = 16


def encode_all(
    vae: AutoencoderKLQwenImage,
    pictures_NHWC: np.ndarray,
    condition_px: int,
    folder: Path,
    compile_network: bool,
) -> Iterator[dict[str, int]]:
    """Write `latents.npy` (N x C x h x w, normalised) and `patches.npy` (N x patches x values), both float16.

    Skipped where they exist. Yields how many pictures are encoded.
    """
    if (folder / "latents.npy").is_file() and (folder / "patches.npy").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    encode = torch.compile(encode_frames, dynamic=False) if compile_network else encode_frames
    num, side = len(pictures_NHWC), pictures_NHWC.shape[1] // vae.spatial_compression_ratio
    latents = _create(folder / "latents.partial.npy", (num, vae.config.z_dim, side, side))
    patches = None
    processor = build_image_processor()
    for start in range(0, num, BATCH):
        batch = pictures_NHWC[start : start + BATCH]
        whole = np.concatenate(
            [batch, np.repeat(batch[-1:], BATCH - len(batch), axis=0)]
        )  # one shape: compiled once
        with torch.inference_mode(), autocast(vae.device):
            means_BCHW, _ = encode(vae, to_images(whole).to(vae.device))
        latents[start : start + len(batch)] = normalise(vae, means_BCHW.float())[: len(batch)].cpu().numpy()
        seen = [resized(Image.fromarray(picture), condition_px, condition_px) for picture in batch]
        values = processor(images=seen, return_tensors="np")["pixel_values"].reshape(len(batch), -1, 1176)
        if patches is None:
            patches = _create(folder / "patches.partial.npy", (num, *values.shape[1:]))
        patches[start : start + len(batch)] = values
        if start // BATCH % 50 == 49:
            yield {"encoded": start + len(batch), "of": num}
    del latents, patches  # Windows renames no file that is mapped
    for name in ("latents", "patches"):
        os.replace(folder / f"{name}.partial.npy", folder / f"{name}.npy")


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays, in memory."""
    return np.load(folder / "latents.npy"), np.load(folder / "patches.npy")


def _create(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(path, "w+", np.float16, shape)
