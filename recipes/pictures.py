"""Pictures to train on: large arrays, drawn once by several processes and kept on disk.

An array is made bit by bit, and goes on where it was stopped. Some pictures have passed through the editor's
autoencoder, where all edits come from.
Shape suffixes: B, N pictures, H, W, S sides in pixels, C = 3 channels (RGB), E expressions.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor

from pixelsmile.hashing import sha256_file

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_DRAWN_AT_ONCE, _RECONSTRUCTED_AT_ONCE = 256, 8


@dataclass(frozen=True)
class ArrayFile:
    """An array on disk (npy) and the shape of all of it; rows are filled one after another."""

    path: Path
    shape: tuple[int, ...]
    dtype: type[np.generic] = np.uint8


def fill(
    arrays: Sequence[ArrayFile], make: Callable[[range], Iterable[Sequence[np.ndarray]]], num_at_once: int
) -> Iterator[dict[str, int]]:
    """Write arrays of equally many rows, unless all are there; yields how many rows are done.

    make: from some rows' numbers to these rows, each with its part of every array. After every call the count
    is kept on disk.
    """
    if all(array.path.is_file() for array in arrays):
        return
    count, num_rows = arrays[0].path.with_suffix(".count"), arrays[0].shape[0]
    new_count = count.with_suffix(".count.partial")
    partials = [array.path.with_suffix(".partial.npy") for array in arrays]
    begun = count.is_file() and all(partial.is_file() for partial in partials)
    first = int(count.read_text()) if begun else 0
    maps = [
        np.lib.format.open_memmap(partial, "r+" if first else "w+", array.dtype, array.shape)
        for partial, array in zip(partials, arrays, strict=True)
    ]
    for start in range(first, num_rows, num_at_once):
        rows = range(start, min(start + num_at_once, num_rows))
        for row, parts in zip(rows, make(rows), strict=True):
            for array_map, part in zip(maps, parts, strict=True):
                array_map[row] = part
        for array_map in maps:
            array_map.flush()
        new_count.write_text(str(rows.stop))
        os.replace(new_count, count)
        yield {"done": rows.stop, "of": num_rows}
    del array_map, maps  # Windows renames no file that is mapped
    for partial, array in zip(partials, arrays, strict=True):
        os.replace(partial, array.path)
    count.unlink()


def fill_one(
    path: Path, shape: tuple[int, ...], make: Callable[[range], Iterable[np.ndarray]], num_at_once: int
) -> Iterator[dict[str, int]]:
    """The same for one array of uint8."""
    return fill([ArrayFile(path, shape)], lambda rows: ((row,) for row in make(rows)), num_at_once)


def fill_drawn(
    folder: Path, shape: tuple[int, ...], draw: Callable[[int], np.ndarray], num_workers: int
) -> Iterator[dict[str, int]]:
    """The pictures as they are drawn (`drawn_file`), in several processes; draw: of a row, and picklable."""
    with worker_map(num_workers) as mapped:
        yield from fill_one(drawn_file(folder), shape, lambda rows: mapped(draw, rows), _DRAWN_AT_ONCE)


def fill_reconstructed(
    folder: Path,
    autoencoder: Path,
    device: torch.device,
    shape: tuple[int, ...],
    make: Callable[[AutoencoderKLQwenImage, range], Iterable[np.ndarray]],
) -> Iterator[dict[str, int]]:
    """Those that pass through the editor's autoencoder (`reconstructed_file`), unless this one did it before.

    autoencoder: its folder. make: from some rows' numbers to these rows.
    """
    target = reconstructed_file(folder, autoencoder)
    if target.is_file():
        return
    vae = load_autoencoder(autoencoder, device)
    yield from fill_one(target, shape, lambda rows: make(vae, rows), _RECONSTRUCTED_AT_ONCE)


def drawn_file(folder: Path) -> Path:
    return folder / "drawn.npy"


def reconstructed_file(folder: Path, autoencoder: Path) -> Path:
    return file_by(folder, "reconstructed", autoencoder)


class Map(Protocol):
    """`map`, or that of a pool of processes; results come in order."""

    def __call__(self, function: Any, jobs: Iterable[Any], /) -> Iterator[Any]: ...


@contextmanager
def worker_map(num_workers: int) -> Iterator[Map]:
    """How to call a function on many jobs: in that many processes, or in this one."""
    if num_workers == 1:
        yield map
        return
    with get_context("spawn").Pool(num_workers) as pool:
        yield lambda function, jobs: pool.imap(function, jobs, chunksize=16)


@dataclass(frozen=True)
class TrainingPictures:
    """Pictures of faces with what is true of them, numbered through all parts."""

    parts: tuple[np.ndarray, ...]  # NSS3 each, uint8
    truths: np.ndarray  # NE: scores; not numbers where they are unknown
    domains: np.ndarray  # N: which of DOMAINS
    held_every: int  # one picture in so many is never trained on

    def pixels(self, rows_B: np.ndarray) -> np.ndarray:
        """Those pictures: (B, S, S, 3)."""
        return np.stack([self._picture(row) for row in rows_B.tolist()])

    def _picture(self, row: int) -> np.ndarray:
        for part in self.parts[:-1]:
            if row < len(part):
                return part[row]
            row -= len(part)
        return self.parts[-1][row]

    def rows(self, *, held: bool) -> np.ndarray:
        """The numbers of those that are trained on, or of the held ones."""
        numbers_N = np.arange(len(self.truths))
        return numbers_N[(numbers_N % self.held_every == 0) == held]


def held_numbers(scores_NE: Tensor, truths_NE: Tensor) -> dict[str, float]:
    """How far scores of held pictures are off, and how often the right one is the highest."""
    right_N = scores_NE.argmax(1) == truths_NE.argmax(1)
    return {
        "held_absolute_error": round(float((scores_NE.clamp(0, 1) - truths_NE).abs().mean()), 4),
        "held_highest_right": round(float(right_N.float().mean()), 4),
    }


def load_autoencoder(folder: Path, device: torch.device | str = "cpu") -> AutoencoderKLQwenImage:
    """An editor's autoencoder, in float32."""
    return AutoencoderKLQwenImage.from_pretrained(
        folder, torch_dtype=torch.float32, trust_remote_code=False
    ).to(device)


def file_by(folder: Path, what: str, network: Path) -> Path:
    """A file in `folder` named by the weights of the network that made it: another makes other ones."""
    return folder / f"{what}-{sha256_file(network / _WEIGHTS)[:12]}.npy"


def to_tensor(pixels_BHWC: np.ndarray) -> Tensor:
    """uint8 pictures as float32 (B, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(images_BCHW: Tensor) -> np.ndarray:
    """Pictures in -1..1 as uint8 (B, H, W, 3)."""
    pixels_BCHW = ((images_BCHW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels_BCHW.permute(0, 2, 3, 1).cpu().numpy()
