"""FFE-Bench as it is published: a folder that was downloaded from the hub.

Its card promises an image, a face box, a target category and a prompt for each sample, and is silent about
files and keys. So every usual layout is read: JSON, JSON lines and Parquet, pictures beside them or embedded,
people and anime told apart by a column or by the name of a folder or file. What cannot be found is an error
that names it. Boxes are x0, y0, x1, y1 in pixels.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pixelsmile.benchmarks.benchmark import MAX_PATH, all_or_error, parse_box, source_name
from pixelsmile.benchmarks.ffe.tasks import parse_target
from pixelsmile.benchmarks.rows import SUFFIXES, Aliases, Row, StoredPicture, fields_of, read_rows
from pixelsmile.editors.editor import (
    Picture,
    PictureFile,
    Task,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain, target_prompt
from pixelsmile.limits import shown

HUB_NAME = "PixelSmile/FFE-Bench"
DOWNLOAD = f"hf download {HUB_NAME} --repo-type dataset --local-dir FFE-Bench"

ALIASES: Aliases = {
    "image": (
        *("image", "img", "image_path", "img_path", "file_name", "filename", "file", "path"),
        *("input_image", "source_image", "input", "source", "src"),
    ),
    "category": (
        *("category", "target_category", "expression", "target_expression", "emotion", "target_emotion"),
        *("target", "label", "class"),
    ),
    "face_box": ("face_box", "boxes", "box", "bbox", "bboxes", "face_bbox", "face_boxes", "face"),
    "prompt": ("prompt", "instruction", "edit_prompt", "edit_instruction", "text", "caption"),
    "domain": ("domain", "subset"),
    "id": ("id", "sample_id", "image_id", "index", "key"),
}
_DOMAIN_WORDS: Mapping[Domain, tuple[str, ...]] = {
    "human": ("human", "humans", "person", "people", "real"),
    "anime": ("anime", "cartoon", "character", "characters"),
}

logger = logging.getLogger(__name__)


def read_hub_folder(folder: Path) -> tuple[Task, ...]:
    """The tasks in a downloaded folder. InputError that counts and names what is missing.

    A sample without prompt gets the published adapter's; one without box leaves the face to the editor. Both
    are logged with their number.
    """
    rows = [(row, fields_of(row.values, ALIASES)) for row in read_rows(folder)]
    if not rows:
        raise InputError(
            f"{str(folder)!r} holds no metadata ({', '.join(SUFFIXES)}): get FFE-Bench with `{DOWNLOAD}`"
        )
    rows = _without_other_files(rows)
    _check_keys(folder, rows)
    tasks = all_or_error(
        [(f"{row.file.relative_to(folder)} row {row.number}", (row, fields)) for row, fields in rows],
        lambda item: _task(folder, *item),
        f"rows in {folder.resolve().name!r}",
        f"mend them, or get FFE-Bench again with `{DOWNLOAD}`",
    )
    for field, effect in (("prompt", "they get ours"), ("face_box", "the editor has to find the face")):
        if num_without := sum(field not in fields for _, fields in rows):
            logger.warning("%d of %d samples have no %s: %s", num_without, len(rows), field, effect)
    return tasks


def _without_other_files(rows: Sequence[tuple[Row, dict[str, Any]]]) -> list[tuple[Row, dict[str, Any]]]:
    """Without the JSON files that hold something else: one object that describes no sample."""
    num_rows = Counter(row.file for row, _ in rows)
    kept = []
    for row, fields in rows:
        if num_rows[row.file] == 1 and not {"image", "category"} & set(fields):
            logger.info("%s describes no sample: left out", row.file)
        else:
            kept.append((row, fields))
    return kept or list(rows)


def _check_keys(folder: Path, rows: Sequence[tuple[Row, dict[str, Any]]]) -> None:
    """One error for a key that no row has, in place of one for each row."""
    for field in ("image", "category"):
        if not any(field in fields for _, fields in rows):
            seen = sorted({key for row, _ in rows for key in row.values})
            raise InputError(
                f"no row in {str(folder)!r} has a key for the {field} (one of {', '.join(ALIASES[field])}), "
                f"only {', '.join(seen[:20])}: rename one, or get FFE-Bench with `{DOWNLOAD}`"
            )


def _task(folder: Path, row: Row, fields: Mapping[str, Any]) -> Task:
    for field in ("image", "category"):
        if field not in fields:
            raise InputError(f"no {field}")
    picture, name = _picture(folder, row, fields)
    target = parse_target(str(fields["category"]))
    domain = _domain(fields.get("domain"), name, folder.resolve().name / row.file.relative_to(folder))
    source = source_name(name)
    if domain not in source:
        source = f"{domain}-{source}"
    prompt = str(fields.get("prompt") or target_prompt(target, domain))
    return Task(source, target, domain, prompt, parse_box(fields.get("face_box")), picture=picture)


def _picture(folder: Path, row: Row, fields: Mapping[str, Any]) -> tuple[Picture, PurePosixPath]:
    """The picture of a row, and the path that it goes by."""
    image, name = fields["image"], None
    if isinstance(image, dict):  # as the `datasets` library embeds pictures
        name = image.get("path") if isinstance(image.get("path"), str) else None
        image = image.get("bytes") or name
    if isinstance(image, StoredPicture):
        name = name or f"{fields.get('id', f'{row.file.stem}-{row.number:04}')}.png"
        return image, PurePosixPath(name)
    if not isinstance(image, str) or len(image) > MAX_PATH:
        raise InputError(f"image {shown(image)} is no path")
    # Paths as of the machine that wrote them end like those here; nothing outside the folder is opened.
    parts = PurePosixPath(image.replace("\\", "/")).parts
    beside = row.file.parent
    for start in range(len(parts)):
        ending = parts[start:]
        for place in (beside, folder, beside / row.file.stem, beside / "images"):
            picture = place.joinpath(*ending)
            if ".." not in ending and ending[0] != "/" and os.path.isfile(picture):
                return PictureFile(picture), PurePosixPath(picture.relative_to(folder))
    raise InputError(f"there is no picture {shown(image)}")


def _domain(given: object, picture: PurePosixPath, file: Path) -> Domain:
    """From the row's own word, else from the names of its picture and file."""
    text = str(given) if given is not None else f"{picture} {file}"
    words = set(re.split(r"[^a-z]+", text.lower()))
    domains = [domain for domain, names in _DOMAIN_WORDS.items() if words & set(names)]
    if len(domains) != 1:
        seen = f"domain {shown(given)}" if given is not None else f"no domain, and picture {str(picture)!r}"
        raise InputError(f"{seen}: not clear whether human or anime")
    return domains[0]
