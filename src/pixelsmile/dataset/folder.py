"""The folder of a data set: what lies where in it, its pictures, and the steps that were begun.

    FOLDER/config.yaml               what was asked for last
    FOLDER/pictures/ab/ab12....jpg   a picture's bytes as they came or were made, under their SHA-256
    FOLDER/verdicts.sqlite           what judges behind servers were paid for, by content
    FOLDER/collect/ faces/ ...       a folder a step (`step_folder`)

Two pictures of the same bytes are one file.
"""

import os
from pathlib import Path

from PIL import Image

from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import ImageError, InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.limits import path_within, read_bytes
from pixelsmile.store.publication import write_file

STEPS = (
    *("collect", "faces", "review", "duplicates", "identities"),
    *("compose", "generate", "annotate", "screen"),
)
CONFIG_NAME, PICTURES, VERDICTS = "config.yaml", "pictures", "verdicts.sqlite"
MAX_PICTURE_BYTES = 128 * 2**20


def steps_of(config: BuildConfig) -> tuple[str, ...]:
    """The steps that a configuration has; a review only where there are decisions."""
    lacking = {step for step in STEPS if getattr(config, step) is None}
    if config.review.decisions is None:
        lacking.add("review")
    return tuple(step for step in STEPS if step not in lacking)


def step_folders(folder: Path) -> list[StepFolder]:
    """The stages that were begun in a folder, in their order. InputError where it holds no data set."""
    found = [StepFolder(folder / step) for step in STEPS if (folder / step).is_dir()]
    if not found or not (folder / CONFIG_NAME).is_file():
        raise InputError(f"{str(folder)!r} holds no data set: make one with pixelsmile dataset build")
    return found


def last_finished(folder: Path) -> StepFolder:
    """The last step that is finished. InputError where there is none."""
    finished = [step for step in step_folders(folder) if step.manifest() is not None]
    if not finished:
        raise InputError(f"no step of {str(folder)!r} is finished: the same build command goes on")
    return finished[-1]


def keep_picture(folder: Path, data: bytes, sha256: str, suffix: str) -> str:
    """Where the bytes lie in a data set's folder, written if they do not lie there yet."""
    name = f"{PICTURES}/{sha256[:2]}/{sha256}{suffix}"
    path = folder / name
    if not path.exists() or path.read_bytes() != data:
        write_file(path, data, force=True)
    return name


def kept_picture(folder: Path, row: Row) -> Image.Image:
    """The picture of a row that has one. ImageError as `kept_file`."""
    return load_image(kept_file(folder, row))


def kept_file(folder: Path, row: Row) -> bytes:
    """The bytes of a row's picture. ImageError where its file is lost, or holds other bytes now."""
    name = row.picture or ""
    path = path_within(folder, name, error=ImageError)
    cure = f"put it back, or have it made again with --redo {'collect' if row.base is None else 'generate'}"
    if not os.path.lexists(path):
        raise ImageError(f"{name!r}, the picture of row {row.id}, is lost: {cure}")
    data = read_bytes(path, max_bytes=MAX_PICTURE_BYTES, error=ImageError)
    if sha256_bytes(data) != row.sha256:
        raise ImageError(f"{name!r}, the picture of row {row.id}, has changed since it was kept: {cure}")
    return data
