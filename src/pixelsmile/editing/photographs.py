"""The photographs that one command edits: each read, checked and given a folder and faces before any work."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pixelsmile.editing.pictures import Source, read_source
from pixelsmile.editing.session import ChosenFace, Edit, FaceFinder
from pixelsmile.errors import ImageError, InputError, PixelSmileError
from pixelsmile.results import check_domain

_MAX_NAMED_IN_FOLDER = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Photograph:
    """A picture to edit. One alone is kept as it was read; several are read again, each at its turn."""

    path: Path
    folder: Path  # of its edits
    sha256: str
    is_drawn: bool
    kept: Source | None
    faces: Sequence[ChosenFace] = ()

    def source(self) -> Source:
        """The picture; ImageError where it is no longer the one that was checked."""
        if self.kept is not None:
            return self.kept
        source = read_source(self.path)
        if source.record is None or source.record.sha256 != self.sha256:
            raise ImageError(f"{str(self.path)!r} has changed since this command began: start it again")
        return source


def open_photographs(paths: Sequence[Path], edit: Edit, output: Path | None = None) -> list[Photograph]:
    """Every photograph once, all readable, their edits writable in that form; else ImageError, OutputError.

    output: a folder. The edits of one photograph go into it, those of several into a folder each inside of
    it, called as the file is (`face`, and `face-2` for another face.jpg). None: `face-happy` and so on, here.
    """
    once: dict[Path, Path] = {}
    for path in paths:
        once.setdefault(path.absolute(), path)
    paths = list(once.values())
    several = len(paths) > 1
    if output is None:
        folders = _distinct([default_folder(path, list(edit.titles)) for path in paths])
    elif several:
        folders = _distinct([output / path.stem for path in paths])
    else:
        folders = [output]

    def opened(path: Path, folder: Path) -> Photograph:
        source = read_source(path)
        edit.form.picture.check_mode(source.original.mode)
        check_domain(path, source.portrait, edit.options.get("domain") or source.domain)
        assert source.record is not None  # it was read from a file
        kept = None if several else source
        return Photograph(path, folder, source.record.sha256, source.is_drawn, kept)

    return _of_each(dict(zip(paths, folders, strict=True)), opened)


def default_folder(photo: Path, slugs: Sequence[str]) -> Path:
    """`face-happy`, `face-happy-sad`, or `face-12-edits`, in the current folder."""
    if len(slugs) > _MAX_NAMED_IN_FOLDER:
        return Path(f"{photo.stem}-{len(slugs)}-edits")
    return Path("-".join([photo.stem, *slugs]))


def all_drawn(photographs: Sequence[Photograph], *, is_named: bool) -> bool:
    """Whether the pictures are drawn portraits.

    is_named: whether somebody named a model; if not, InputError for both kinds together.
    """
    drawn = [photograph.path for photograph in photographs if photograph.is_drawn]
    if not is_named and 0 < len(drawn) < len(photographs):
        raise InputError(
            f"{str(drawn[0])!r} was drawn by pixelsmile, others here were not, and each kind has a model of "
            "its own: edit them apart, or name a --model"
        )
    return len(drawn) == len(photographs)


def with_faces(photographs: Sequence[Photograph], edit: Edit, finder: FaceFinder) -> list[Photograph]:
    """The same with the faces that are edited in each; a refusal names all in which they cannot be found.

    FaceError, ModelError, InputError.
    """

    def with_its_faces(_: Path, photograph: Photograph) -> Photograph:
        faces = finder.choose(photograph.source(), edit.faces, edit.paste.context)
        return replace(photograph, faces=faces)

    return _of_each({photograph.path: photograph for photograph in photographs}, with_its_faces)


def _of_each(photographs: Mapping[Path, T], work: Callable[[Path, T], Photograph]) -> list[Photograph]:
    """What `work` gives; else its first refusal, which names all others, so that they are mended together."""
    done: list[Photograph] = []
    refused: list[tuple[Path, PixelSmileError]] = []
    for path, known in photographs.items():
        try:
            done.append(work(path, known))
        except PixelSmileError as error:
            refused.append((path, error))
    if not refused:
        return done
    (path, first), *others = refused
    if len(photographs) == 1:  # nobody asks which
        raise first
    also = f" (and {len(others)} more: {', '.join(other.name for other, _ in others)})" if others else ""
    raise type(first)(f"{named(path, first)}{also}") from first


def named(path: Path, error: PixelSmileError) -> str:
    """The message of `error`, which says that it is about `path`."""
    return str(error) if repr(str(path)) in str(error) else f"{str(path)!r}: {error}"


def _distinct(folders: Sequence[Path]) -> list[Path]:
    """The folders with a number where two would be the same, on any disk: some do not tell A from a."""
    taken: set[str] = set()
    distinct = []
    for folder in folders:
        name, number = folder.name, 1
        while name.casefold() in taken:
            number += 1
            name = f"{folder.name}-{number}"
        taken.add(name.casefold())
        distinct.append(folder.with_name(name))
    return distinct
