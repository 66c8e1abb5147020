"""What the rows of FED-Bench's files say, joined by name: one record for each triplet.

Every usual layout is read: one row for a triplet, one for each of its granularities, or pictures and words in
different files under the same id.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from pixelsmile.benchmarks.fed.pictures import EmbeddedPicture
from pixelsmile.benchmarks.fed.triplets import GRANULARITIES, parse_class
from pixelsmile.benchmarks.metadata import SUFFIXES, Aliases, StoredPicture, fields_of, read_rows
from pixelsmile.benchmarks.reading import MAX_PATH, all_or_error, source_name
from pixelsmile.errors import InputError

HUB_NAME = "hiixfj/FED-Bench"
DOWNLOAD = f"hf download {HUB_NAME} --repo-type dataset --local-dir FED-Bench"
TRUTHS_FROM = f"ask for access at huggingface.co/datasets/{HUB_NAME}, then get them with `{DOWNLOAD}`"
INDICES_FROM = (
    "they may be in the indices at github.com/hiixfj/FED-Bench: put those, as JSON or JSON lines, into the "
    "same folder"
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
    "face_box": ("face_box", "boxes", "box", "bbox", "bboxes", "face_bbox", "face_boxes", "face"),
    "id": ("id", "name", "triplet_id", "sample_id", "image_id", "uid", "index", "idx", "key"),
}

_HAS_TRIPLET = {"source", "truth", "class", "dense", "simple", "instruction"}


@dataclass
class Told:
    """What the rows say about one triplet: its name, where it was told, and the fields."""

    name: str
    label: str
    fields: dict[str, Any]

    @property
    def is_loose(self) -> bool:
        """Whether this is but a picture, which rows of another file may ask for by its name."""
        words = {"class", "dense", "simple", "instruction", "source"} & set(self.fields)
        return isinstance(self.fields.get("truth"), EmbeddedPicture) and not words

    def file_names(self, picture: str) -> list[str]:
        """What the file of that picture may be called, the likeliest first."""
        if isinstance(self.fields.get(picture), str):
            return [self.fields[picture]]
        names = (self.fields.get("truth name"), self.fields.get("id"))
        return [name for name in names if name is not None]


def told_triplets(folder: Path) -> tuple[tuple[Told, ...], dict[str, EmbeddedPicture]]:
    """The triplets that the rows tell of, in their order, and by name the pictures in rows without words."""
    groups: dict[str, list[Told]] = {}
    for row in read_rows(folder):
        fields = _settled(fields_of(row.values, ALIASES), row.file)
        if not _HAS_TRIPLET & set(fields):
            continue
        where = row.file.relative_to(folder)
        names = (fields.get(field) for field in ("id", "truth name", "source name"))
        name = next((source_name(PurePath(found)) for found in names if found), "")
        name = name or source_name(where) + f"-{row.number:04}"
        groups.setdefault(name.casefold(), []).append(Told(name, f"{where} row {row.number}", fields))
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
    merged = all_or_error(labelled, _merged, f"triplets in {folder.resolve().name!r}", advice)
    return tuple(itertools.chain.from_iterable(merged)), loose


def _settled(fields: dict[str, Any], file: Path) -> dict[str, Any]:
    """The fields, with what a picture shows and which instruction a text is made out where that is clear."""
    if (picture := fields.pop("picture", None)) is not None:
        fields.setdefault("source" if "truth" in fields else "truth", picture)
    for name in {"source", "truth"} & set(fields):
        value = fields[name] if isinstance(fields[name], dict) else {"bytes": fields[name]}
        stored, path = value.get("bytes"), value.get("path")
        path = path if isinstance(path, str) and len(path) <= MAX_PATH else None
        if isinstance(stored, StoredPicture):
            fields[name], fields[f"{name} name"] = EmbeddedPicture(stored), path
        else:
            fields[name] = fields[f"{name} name"] = str(stored or path)[:MAX_PATH]
    if "id" in fields:
        fields["id"] = str(fields["id"])[:MAX_PATH]
    granularity = fields.pop("granularity", "")
    if "instruction" in fields:
        words = set(re.split(r"[^a-z]+", f"{granularity} {file.parent.name} {file.stem}".lower()))
        told = [each for each in GRANULARITIES if each in words]
        if len(told) == 1:
            fields.setdefault(told[0], fields.pop("instruction"))
    return fields


def _merged(group: Sequence[Told]) -> list[Told]:
    """The triplets in rows of one name: one, or one for each class where every row tells its class."""
    by_class: defaultdict[str, list[Told]] = defaultdict(list)
    for told in group:
        if "class" in told.fields:
            told.fields["class"] = parse_class(str(told.fields["class"]))
        by_class[told.fields.get("class", "")].append(told)
    if len(by_class) > 1 and "" not in by_class:
        return [replace(_one(rows), name=f"{rows[0].name}-{name}") for name, rows in by_class.items()]
    return [_one(group)]


def _one(rows: Sequence[Told]) -> Told:
    """What all rows say together; InputError where they contradict each other or no class is told."""
    fields: dict[str, Any] = {}
    for told in rows:
        for key, value in told.fields.items():
            known = fields.setdefault(key, value)
            if isinstance(known, str) and isinstance(value, EmbeddedPicture):  # better than its name
                fields[key] = value
            elif not key.endswith(" name") and not _is_same(known, value):
                raise InputError(f"{rows[0].name!r} has another {key} in {told.label}")
    if "class" not in fields:
        raise InputError(f"{rows[0].name!r} has no class")
    if "instruction" in fields:
        raise InputError(f"{rows[0].name!r}: not clear whether its instruction is dense or simple")
    return Told(rows[0].name, rows[0].label, fields)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, EmbeddedPicture):
        return not isinstance(other, EmbeddedPicture) or one == other or one.sha256() == other.sha256()
    return bool(one == other)
