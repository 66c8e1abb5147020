"""The pictures of triplets, by reference: nothing is read before it is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from pixelsmile.benchmarks.metadata import StoredPicture
from pixelsmile.hashing import sha256_bytes, sha256_file
from pixelsmile.images import load_image


class Picture(Protocol):
    """A picture that can be had."""

    def load(self) -> Image.Image:
        """Upright RGB; ImageError or InputError where it cannot be read."""

    def sha256(self) -> str:
        """The hash of what it is made from, for records."""


@dataclass(frozen=True)
class PictureFile:
    """A file of its own."""

    path: Path

    def load(self) -> Image.Image:
        return load_image(self.path)

    def sha256(self) -> str:
        return sha256_file(self.path)


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture inside a Parquet file."""

    stored: StoredPicture

    def load(self) -> Image.Image:
        return load_image(self.stored.read())

    def sha256(self) -> str:
        return sha256_bytes(self.stored.read())
