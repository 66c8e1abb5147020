"""FED-Bench as it is published: the ground truths from the gated hub, the film stills from SFEW 2.0.

Its card tells of a source, instructions, a class and a ground truth for each of its triplets, and is silent
about files and keys. Ground truths lie in Parquet files or beside them; the stills are found by their names
in the user's own copy of SFEW. What cannot be found is an error that counts and names it, and says where to
get it.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import cast

from pixelsmile.benchmarks.fed.hub_rows import TRUTHS_FROM, Told, told_triplets
from pixelsmile.benchmarks.fed.pictures import EmbeddedPicture, Picture, PictureFile
from pixelsmile.benchmarks.fed.shelf import PictureShelf
from pixelsmile.benchmarks.fed.triplets import FedTriplet
from pixelsmile.benchmarks.reading import all_or_error, parse_box, source_name
from pixelsmile.errors import InputError
from pixelsmile.limits import shown

SOURCES_FROM = (
    "they are film stills of SFEW 2.0, which its authors license to researchers: name the folder of your "
    "copy as sources"
)

logger = logging.getLogger(__name__)

_PLURALS = {"source": "sources", "truth": "ground truths"}


def read_fed_folder(folder: Path, sources: Path | None = None) -> tuple[FedTriplet, ...]:
    """The triplets in a downloaded folder; `sources` is the user's SFEW, looked for in `folder` if None.

    InputError that counts and names what is missing, and says where to get it. An instruction may be missing.
    """
    told, loose = told_triplets(folder)
    within = [sources] if sources is not None and sources.resolve() != folder.resolve() else []
    truths = _pictures(folder, told, "truth", PictureShelf(folder, without=within), loose)
    taken = [found.path for found in truths if isinstance(found, PictureFile)]
    stills = _pictures(folder, told, "source", PictureShelf(sources or folder, without=taken), {})
    _check_missing(folder, sources, told, truths, stills)
    if unused := set(loose.values()) - set(truths):
        logger.warning("pictures in %r that belong to no triplet, left out: %d", str(folder), len(unused))
    return all_or_error(
        [(each.label, (each, still, truth)) for each, still, truth in zip(told, stills, truths, strict=True)],
        _triplet,
        f"triplets in {folder.resolve().name!r}",
        f"mend them, or get FED-Bench again: {TRUTHS_FROM}",
    )


def _pictures(
    folder: Path,
    told: Sequence[Told],
    picture: str,
    shelf: PictureShelf,
    loose: Mapping[str, EmbeddedPicture],
) -> tuple[Picture | None, ...]:
    """That picture of each triplet, from its row, the shelf or the loose ones; None where it is missing."""

    def found(each: Told) -> Picture | None:
        if isinstance(each.fields.get(picture), EmbeddedPicture):
            return cast(Picture, each.fields[picture])
        for name in each.file_names(picture):
            if (file := shelf.find(name)) is not None:
                return PictureFile(file)
            if (stored := loose.get(source_name(PurePath(PurePath(name).name)).casefold())) is not None:
                return stored
        return None

    labelled = [(each.label, each) for each in told]
    return all_or_error(labelled, found, f"triplets in {folder.resolve().name!r}", "name each picture once")


def _check_missing(
    folder: Path,
    sources: Path | None,
    told: Sequence[Told],
    truths: Sequence[Picture | None],
    stills: Sequence[Picture | None],
) -> None:
    """InputError that counts what is not there."""
    looked_in = str(sources or folder)
    for what, found, place, advice in (
        ("source", stills, looked_in, SOURCES_FROM),
        ("truth", truths, str(folder), TRUTHS_FROM),
    ):
        missing = [each for each, picture in zip(told, found, strict=True) if picture is None]
        if missing:
            first = shown(next(iter(missing[0].file_names(what)), missing[0].name))
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            count = f"{len(missing)} of {len(told)} {_PLURALS[what]}"
            raise InputError(f"{count} are not in {place!r} ({first}{more}): {advice}")


def _triplet(item: tuple[Told, Picture | None, Picture | None]) -> FedTriplet:
    told, still, truth = item
    assert still is not None  # _check_missing has seen to both
    assert truth is not None
    return FedTriplet(
        told.name,
        told.fields["class"],
        "human",
        _text(told.fields.get("dense")),
        _text(told.fields.get("simple")),
        still,
        truth,
        parse_box(told.fields.get("face_box")),
    )


def _text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise InputError(f"instruction {shown(value)} is no text")
    return value
