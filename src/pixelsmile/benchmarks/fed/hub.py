"""FED-Bench as it is published: the ground truths from the gated hub, the film stills from SFEW 2.0.

Its card tells of a source, instructions, a class and a ground truth for each of its triplets, and is silent
about files and keys. So every usual layout is read: one row for a triplet, one for each of its granularities,
or pictures and words in different files under the same id. Ground truths lie in Parquet files or beside them;
the stills are found by their names in the user's own copy of SFEW. What cannot be found is an error that
counts and names it, and says where to get it.
"""

import itertools
import logging
import os
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from pixelsmile.benchmarks.benchmark import MAX_PATH, all_or_error, parse_box, source_name
from pixelsmile.benchmarks.fed.triplets import FedTriplet, parse_class
from pixelsmile.benchmarks.rows import SUFFIXES, Aliases, StoredPicture, fields_of, is_hidden, read_rows
from pixelsmile.editors.editor import (
    GRANULARITIES,
    PICTURE_SUFFIXES,
    Picture,
    PictureFile,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.limits import shown

HUB_NAME = "hiixfj/FED-Bench"
DOWNLOAD = f"hf download {HUB_NAME} --repo-type dataset --local-dir FED-Bench"
TRUTHS_FROM = f"ask for access at huggingface.co/datasets/{HUB_NAME}, then get them with `{DOWNLOAD}`"
INDICES_FROM = (
    "they may be in the indices at github.com/hiixfj/FED-Bench: put those, as JSON or JSON lines, into the "
    "same folder"
)

SOURCES_FROM = (
    "they are film stills of SFEW 2.0, which its authors license to researchers: name the folder of your "
    "copy as sources"
)

ALIASES: Aliases = {
    "source": (
        *("source", "source_image", "source_path", "source_file", "source_name", "source_filename"),
        *("src", "src_image", "src_path", "input", "input_image", "input_path", "original", "original_image"),
        *("sfew", "sfew_path", "sfew_file", "sfew_name", "sfew_filename", "sfew_id"),
    ),
    "truth": (
        *("truth", "ground_truth", "ground_truth_image", "ground_truth_path", "groundtruth"),
        *("gt", "gt_image", "gt_path", "gt_file", "gt_name", "gt_filename", "target_image", "target_path"),
        *("edited", "edited_image", "output", "output_image"),
    ),
    "picture": ("image", "img", "image_path", "file_name", "filename", "file", "path"),
    "class": (
        *("target_class", "target_expression", "target_emotion", "target_label", "expression", "emotion"),
        *("class", "class_name", "category", "label", "target"),
    ),
    "dense": (
        *("dense", "dense_instruction", "instruction_dense", "instructions_dense", "dense_prompt"),
        *("prompt_dense", "prompts_dense", "dense_text", "dense_caption", "detailed_instruction"),
    ),
    "simple": (
        *("simple", "simple_instruction", "instruction_simple", "instructions_simple", "simple_prompt"),
        *("prompt_simple", "prompts_simple", "simple_text", "simple_caption", "short_instruction"),
    ),
    "instruction": ("instruction", "edit_instruction", "prompt", "edit_prompt", "text", "caption"),
    "granularity": ("granularity", "instruction_type", "prompt_type", "level", "split", "subset"),
    "domain": ("domain",),
    "face_box": ("face_box", "boxes", "box", "bbox", "bboxes", "face_bbox", "face_boxes", "face"),
    "id": ("id", "name", "triplet_id", "sample_id", "image_id", "uid", "index", "idx", "key"),
}

_HAS_TRIPLET = {"source", "truth", "class", "dense", "simple", "instruction"}
_CROPS = re.compile("aligned", re.IGNORECASE)  # SFEW's faces, cut out, under the names of their stills

logger = logging.getLogger(__name__)


def read_hub_folder(folder: Path, sources: Path | None = None) -> tuple[FedTriplet, ...]:
    """The triplets in a downloaded folder; `sources` is the user's SFEW, looked for in `folder` if None.

    InputError that counts and names what is missing, and says where to get it. An instruction may be missing.
    """
    entries, loose = _entries(folder)
    within = [sources] if sources is not None and sources.resolve() != folder.resolve() else []
    truths = _pictures(folder, entries, "truth", PictureIndex(folder, without=within), loose)
    taken = [found.path for found in truths if isinstance(found, PictureFile)]
    stills = _pictures(folder, entries, "source", PictureIndex(sources or folder, without=taken), {})
    _check_missing("sources", entries, stills, sources or folder, SOURCES_FROM)
    _check_missing("ground truths", entries, truths, folder, TRUTHS_FROM)
    if unused := set(loose.values()) - set(truths):
        logger.warning("pictures in %r that belong to no triplet, left out: %d", str(folder), len(unused))
    return all_or_error(
        [
            (entry.label, (entry, still, truth))
            for entry, still, truth in zip(entries, stills, truths, strict=True)
        ],
        _triplet,
        f"triplets in {folder.resolve().name!r}",
        f"mend them, or get FED-Bench again: {TRUTHS_FROM}",
    )


class PictureIndex:
    """The pictures in `folder` and below by name, but for `without`: files, or folders with all they hold."""

    def __init__(self, folder: Path, without: Collection[Path] = ()) -> None:
        """InputError where there is no such folder."""
        if not os.path.isdir(folder):
            raise InputError(f"there is no folder {str(folder)!r}: check the path")
        left_out = {path.resolve() for path in without}
        self._folder = folder
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in PICTURE_SUFFIXES or is_hidden(path.relative_to(folder)):
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
        wanted = PurePosixPath(name.replace("\\", "/").casefold()).parts
        found = self._by_stem.get(_stem(wanted[-1]), []) if wanted else []
        found = [path for path in found if path.name.casefold() == wanted[-1]] or found
        agreeing = {path: _num_agreeing(path.relative_to(self._folder), wanted) for path in found}
        found = [path for path in found if agreeing[path] == max(agreeing.values())]
        found = [path for path in found if not _CROPS.search(str(path.relative_to(self._folder)))] or found
        if len(found) > 1 and len(set(map(sha256_file, found))) > 1:
            places = " and ".join(str(path.relative_to(self._folder)) for path in found[:2])
            raise InputError(f"{name!r} may be {places}: name the folder that holds the right one")
        return found[0] if found else None


@dataclass
class _Entry:
    """What the rows say about one triplet. label: the first row that does."""

    name: str
    label: str
    fields: dict[str, Any]

    @property
    def is_loose(self) -> bool:
        """Whether this is but a picture, which rows of another file may ask for by its name."""
        words = {"class", "dense", "simple", "instruction", "source"} & set(self.fields)
        return isinstance(self.fields.get("truth"), StoredPicture) and not words

    def file_names(self, picture: str) -> list[str]:
        """What the file of that picture may be called, the likeliest first."""
        if isinstance(self.fields.get(picture), str):
            return [self.fields[picture]]
        names = (self.fields.get("truth name"), self.fields.get("id"))
        return [name for name in names if name is not None]


def _entries(folder: Path) -> tuple[tuple[_Entry, ...], dict[str, StoredPicture]]:
    """One for each triplet, in the order of the rows, and by name the pictures in rows without words."""
    groups: dict[str, list[_Entry]] = {}
    for row in read_rows(folder):
        fields = _settled(fields_of(row.values, ALIASES), row.file)
        if not _HAS_TRIPLET & set(fields):
            continue
        where = row.file.relative_to(folder)
        names = (fields.get(field) for field in ("id", "truth name", "source name"))
        name = next((source_name(PurePath(found)) for found in names if found), "")
        name = name or source_name(where) + f"-{row.number:04}"
        groups.setdefault(name.casefold(), []).append(_Entry(name, f"{where} row {row.number}", fields))
    if not groups:
        raise InputError(f"{str(folder)!r} holds no triplets ({', '.join(SUFFIXES)} files): {TRUTHS_FROM}")
    loose = {
        name: group[0].fields["truth"]
        for name, group in groups.items()
        if len(group) == 1 and group[0].is_loose
    }
    if len(loose) < len(groups):
        groups = {name: group for name, group in groups.items() if name not in loose}
    advice = f"give each an id of its own, and a class; {INDICES_FROM}"
    labelled = [(group[0].label, group) for group in groups.values()]
    joined = all_or_error(labelled, _joined, f"triplets in {folder.resolve().name!r}", advice)
    return tuple(itertools.chain.from_iterable(joined)), loose


def _settled(fields: dict[str, Any], file: Path) -> dict[str, Any]:
    """The fields, with what a picture shows and which instruction a text is made out where that is clear."""
    if (picture := fields.pop("picture", None)) is not None:
        fields.setdefault("source" if "truth" in fields else "truth", picture)
    for name in {"source", "truth"} & set(fields):
        value = fields[name] if isinstance(fields[name], dict) else {"bytes": fields[name]}
        stored, path = value.get("bytes"), value.get("path")
        path = path if isinstance(path, str) and len(path) <= MAX_PATH else None
        if isinstance(stored, StoredPicture):
            fields[name], fields[f"{name} name"] = stored, path
        else:
            fields[name] = fields[f"{name} name"] = str(stored or path)[:MAX_PATH]
    if "id" in fields:
        fields["id"] = str(fields["id"])[:MAX_PATH]
    granularity = fields.pop("granularity", "")
    if "instruction" in fields:
        words = set(re.split(r"[^a-z]+", f"{granularity} {file.parent.name} {file.stem}".lower()))
        named = [each for each in GRANULARITIES if each in words]
        if len(named) == 1:
            fields.setdefault(named[0], fields.pop("instruction"))
    return fields


def _joined(group: Sequence[_Entry]) -> list[_Entry]:
    """The triplets in rows of one name: one, or one for each class where every row tells its class."""
    by_class: defaultdict[str, list[_Entry]] = defaultdict(list)
    for entry in group:
        if "class" in entry.fields:
            entry.fields["class"] = parse_class(str(entry.fields["class"]))
        by_class[entry.fields.get("class", "")].append(entry)
    if len(by_class) > 1 and "" not in by_class:
        return [replace(_one(rows), name=f"{rows[0].name}-{name}") for name, rows in by_class.items()]
    return [_one(group)]


def _one(rows: Sequence[_Entry]) -> _Entry:
    """What all rows say together; InputError where they contradict each other or no class is told."""
    fields: dict[str, Any] = {}
    for entry in rows:
        for key, value in entry.fields.items():
            known = fields.setdefault(key, value)
            if isinstance(known, str) and isinstance(value, StoredPicture):  # better than its name
                fields[key] = value
            elif not key.endswith(" name") and not _is_same(known, value):
                raise InputError(f"{rows[0].name!r} has another {key} in {entry.label}")
    if "class" not in fields:
        raise InputError(f"{rows[0].name!r} has no class")
    if "instruction" in fields:
        raise InputError(f"{rows[0].name!r}: not clear whether its instruction is dense or simple")
    return _Entry(rows[0].name, rows[0].label, fields)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, StoredPicture):
        return not isinstance(other, StoredPicture) or one == other or one.sha256() == other.sha256()
    return bool(one == other)


def _pictures(
    folder: Path,
    entries: Sequence[_Entry],
    which: str,
    index: PictureIndex,
    loose: Mapping[str, StoredPicture],
) -> tuple[Picture | None, ...]:
    """That picture of each triplet, from its row, the index or the loose ones; None where it is missing."""

    def found(entry: _Entry) -> Picture | None:
        if isinstance(stored := entry.fields.get(which), StoredPicture):
            return stored
        for name in entry.file_names(which):
            if (file := index.find(name)) is not None:
                return PictureFile(file)
            if (stored := loose.get(source_name(PurePath(PurePath(name).name)).casefold())) is not None:
                return stored
        return None

    labelled = [(entry.label, entry) for entry in entries]
    return all_or_error(labelled, found, f"triplets in {folder.resolve().name!r}", "name each picture once")


def _check_missing(
    what: str, entries: Sequence[_Entry], pictures: Sequence[Picture | None], place: Path, advice: str
) -> None:
    """InputError that counts those that are not there."""
    missing = [entry for entry, picture in zip(entries, pictures, strict=True) if picture is None]
    if missing:
        names = missing[0].file_names("source" if what == "sources" else "truth")
        first = shown(next(iter(names), missing[0].name))
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        count = f"{len(missing)} of {len(entries)} {what}"
        raise InputError(f"{count} are not in {str(place)!r} ({first}{more}): {advice}")


def _triplet(item: tuple[_Entry, Picture | None, Picture | None]) -> FedTriplet:
    entry, still, truth = item
    assert still is not None  # _check_missing has seen to both
    assert truth is not None
    return FedTriplet(
        entry.name,
        entry.fields["class"],
        _domain(entry.fields.get("domain", "human")),
        _text(entry.fields.get("dense")),
        _text(entry.fields.get("simple")),
        still,
        truth,
        parse_box(entry.fields.get("face_box")),
    )


def _domain(value: object) -> Domain:
    """FED-Bench's pictures are all of people, and no column says so; other sets have one."""
    for domain in DOMAINS:
        if value == domain:
            return domain
    raise InputError(f"domain {shown(value)} is none: use {' or '.join(DOMAINS)}")


def _text(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise InputError(f"instruction {shown(value)} is no text")
    return value


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix in PICTURE_SUFFIXES else name


def _num_agreeing(path: Path, wanted: tuple[str, ...]) -> int:
    """How many folders above the file are as wanted, from the file on."""
    folders = [part.casefold() for part in reversed(path.parts[:-1])]
    pairs = list(zip(folders, reversed(wanted[:-1]), strict=False))
    return next((place for place, (is_, wish) in enumerate(pairs) if is_ != wish), len(pairs))
