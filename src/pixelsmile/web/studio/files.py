"""What is taken away from the studio: the files of an edit, and zips of them."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixelsmile.editing.edit_files import OutputFormat, write_files
from pixelsmile.errors import InputError
from pixelsmile.store.publication import staged
from pixelsmile.web.studio.visits import Rendered

_REASONS = "not-edited.txt"


@dataclass(frozen=True)
class Packed:
    """Files to take away. main: what was asked for. everything: a zip of all files, with their manifest."""

    main: Path
    everything: Path


def names_apart(paths: Sequence[str]) -> list[str]:
    """The names of files, no two of them alike before the suffix: of several the later ones get a number.

    So that each can have a folder of that name, on systems that do not tell A from a, too.
    """
    names, taken = [], {".", "..", _REASONS}
    for path in map(Path, paths):
        name, number = path.name, 1
        while Path(name).stem.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        taken.add(Path(name).stem.casefold())
        names.append(name)
    return names


def packed(rendered: Rendered, form: OutputFormat, folder: Path) -> Packed:
    """The files of an edit as the command writes them, and a zip of them."""
    strengths = rendered.edit.strengths
    if form.animations and len(strengths) < 2:
        raise InputError("one picture does not move: render a sweep, then take it as an animation")
    form = replace(form, grid=len(strengths) > 1, frames=tuple(strengths) if form.animations else ())
    edit = replace(rendered.edit, form=form)
    with staged(folder, edit.file_names) as stage:
        files = write_files(stage, edit.titles, rendered.results, strengths, form)
    paths = files.paths()
    everything = folder / f"{Path(rendered.name).stem}-{next(iter(edit.titles))}.zip"
    _zip(everything, folder, paths)
    if form.animations:
        return Packed(folder / files.animations[0][0], everything)
    return Packed(paths[0] if len(strengths) == 1 else everything, everything)


def zipped_batch(folder: Path, failed: Mapping[str, str]) -> Packed:
    """A zip of the folder, with the reason for each picture that is not in it."""
    if failed:
        lines = [f"{name}: {reason}\n" for name, reason in failed.items()]
        (folder / _REASONS).write_text("".join(lines), encoding="utf-8")
    everything = folder.parent / f"{folder.name}-edits.zip"
    _zip(everything, folder, [path for path in sorted(folder.rglob("*")) if path.is_file()])
    return Packed(everything, everything)


def _zip(target: Path, folder: Path, paths: Sequence[Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # pictures do not get smaller
        for path in paths:
            archive.write(path, path.relative_to(folder))
