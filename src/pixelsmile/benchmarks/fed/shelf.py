"""Pictures of a folder by name, wherever in it they lie: how film stills are found in SFEW."""

import os
import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from pixelsmile.benchmarks.metadata import is_hidden
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_file

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif")
_CROPS = re.compile("aligned", re.IGNORECASE)  # SFEW's faces, cut out, under the names of their stills


class PictureShelf:
    """The pictures in `folder` and below, but for `without`: files, or folders with all they hold."""

    def __init__(self, folder: Path, without: Collection[Path] = ()) -> None:
        """InputError where there is no such folder."""
        if not os.path.isdir(folder):
            raise InputError(f"there is no folder {str(folder)!r}: check the path")
        left_out = {path.resolve() for path in without}
        self._folder = folder
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in _SUFFIXES or is_hidden(path.relative_to(folder)):
                continue
            whole = path.resolve()
            if path.is_file() and left_out.isdisjoint((whole, *whole.parents)):
                self._by_stem[path.stem.casefold()].append(path)

    def find(self, name: str) -> Path | None:
        """The picture that `name` ends in, a file name or a path; None where there is none.

        Case does not matter, nor does the suffix where no file has the one that is named. Of several, those
        count whose folders agree with the path as far as any do, and cut-out faces last. InputError where
        that leaves different pictures.
        """
        wanted = _parts(name)
        found = self._by_stem.get(_stem(wanted[-1]), []) if wanted else []
        found = [path for path in found if path.name.casefold() == wanted[-1]] or found
        agreeing = {path: _num_agreeing(path.relative_to(self._folder), wanted) for path in found}
        found = [path for path in found if agreeing[path] == max(agreeing.values())]
        found = [path for path in found if not _CROPS.search(str(path.relative_to(self._folder)))] or found
        if len(found) > 1 and len(set(map(sha256_file, found))) > 1:
            places = " and ".join(str(path.relative_to(self._folder)) for path in found[:2])
            raise InputError(f"{name!r} may be {places}: name the folder that holds the right one")
        return found[0] if found else None


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/").casefold()).parts


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix in _SUFFIXES else name


def _num_agreeing(path: Path, wanted: tuple[str, ...]) -> int:
    """How many folders above the file are as wanted, from the file on."""
    folders = [part.casefold() for part in reversed(path.parts[:-1])]
    pairs = list(zip(folders, reversed(wanted[:-1]), strict=False))
    return next((place for place, (is_, wish) in enumerate(pairs) if is_ != wish), len(pairs))
