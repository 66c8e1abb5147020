"""Whether an export is whole: its files, its rows with their pictures, and no person in two splits."""

import io
import itertools
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pixelsmile.dataset.export.benchmark_layouts import FED_LINES, FFE_LINES
from pixelsmile.dataset.export.export import is_picture, read_export
from pixelsmile.dataset.export.parquet import DATA
from pixelsmile.dataset.export.table_columns import IMAGE, flat
from pixelsmile.dataset.export.triplets import INSTRUCTIONS
from pixelsmile.dataset.folder import CONFIG_NAME
from pixelsmile.dataset.rows import LABELS, Row
from pixelsmile.dataset.validate import (
    Looked,
    SeenRows,
    data_set_faults,
    output_faults,
    picture_faults,
)
from pixelsmile.errors import InputError, install, one_line
from pixelsmile.expressions import FED_BENCH_CLASSES
from pixelsmile.hashing import sha256_bytes
from pixelsmile.limits import parse_json, validated
from pixelsmile.store.json_lines import read_numbered
from pixelsmile.store.manifests import MANIFEST_NAME
from pixelsmile.triplets.triplet import read_numbered_triplets


@dataclass
class _People:
    """In which split each was seen."""

    splits: dict[str, str] = field(default_factory=dict)

    def faults(self, person: str | None, split: str) -> Iterator[str]:
        if person is not None and (known := self.splits.setdefault(person, split)) != split:
            yield f"person {person!r} is in {known} too"


def faults(folder: Path) -> Iterator[Looked]:
    """Look at everything in a data set, or in an export of one. InputError for what is neither."""
    if (folder / CONFIG_NAME).is_file():
        yield from data_set_faults(folder)
    elif (folder / MANIFEST_NAME).is_file():
        yield from export_faults(folder)
    else:
        raise InputError(f"{str(folder)!r} is no data set, and no export of one: check the path")


def export_faults(out: Path) -> Iterator[Looked]:
    """Look at every file, row and picture of an export. InputError where it is none."""
    manifest = read_export(out)
    yield from output_faults(out, manifest)
    known = {MANIFEST_NAME, *(output.path for output in manifest.outputs)}
    others = (path for path in out.rglob("*") if not is_picture(path) and path.is_file())
    for name in sorted({path.relative_to(out).as_posix() for path in others} - known):
        yield Looked("file", f"{name}: no manifest names it")
    yield from picture_faults(out)
    splits, people = manifest.settings.get("splits"), _People()
    for split in splits if isinstance(splits, dict) else ():
        try:
            match manifest.settings.get("format"):
                case "parquet":
                    yield from _table_faults(_parquet_rows(out, split), split, people)
                case "webdataset":
                    yield from _table_faults(_tar_rows(out, split), split, people)
                case "triplets":
                    for kind in ("", INSTRUCTIONS):
                        yield from _triplet_faults(out / f"{split}{kind}.jsonl", split, people)
                case "preferences":
                    yield from _line_faults(out / f"{split}.jsonl", split, people, _preference_faults)
                case "ffe":
                    yield from _line_faults(out / split / FFE_LINES, split, people, _ffe_faults)
                case "fed":
                    yield from _line_faults(out / split / FED_LINES, split, people, _fed_faults)
        except InputError as error:
            yield Looked("row", str(error))


_Stored = Iterator[tuple[str, dict[str, Any], bytes]]  # where it lies, a row, its picture


def _table_faults(rows: _Stored, split: str, people: _People) -> Iterator[Looked]:
    seen, bases = SeenRows(), dict[str, str]()
    for place, record, picture in rows:
        try:
            row = validated(Row, json.dumps(record))
        except InputError as error:
            yield Looked("row", one_line(f"{place}: {error}"))
            continue
        faults = [*seen.faults(row), *people.faults(row.person, split)]
        if sha256_bytes(picture) != row.sha256:
            faults.append("its picture does not hash to its sha256")
        if row.base is not None:
            bases.setdefault(row.base, f"{place}, row {row.id}")
        yield from (Looked("row", f"{place}, row {row.id}: {fault}") for fault in faults)
        yield Looked("row")
    for base, place in bases.items():
        if not seen.has(base):
            yield Looked("row", f"{place}: its base {base} is not in its split")


def _parquet_rows(out: Path, split: str) -> _Stored:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(f"Parquet needs the package pyarrow: {install('data')}") from error
    for path in sorted((out / DATA).glob(f"{split}-*.parquet")):
        try:
            with parquet.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    for record in file.read_row_group(group).to_pylist():
                        picture = (record.pop(IMAGE) or {}).get("bytes") or b""
                        record = {key: value for key, value in record.items() if value is not None}
                        yield path.name, flat(record), picture
        except (ArrowException, OSError) as error:
            raise InputError(f"{path.name}: it cannot be read ({one_line(error, 100)})") from error


def _tar_rows(out: Path, split: str) -> _Stored:
    for path in sorted(out.glob(f"{split}-*.tar")):
        try:
            with tarfile.open(path, "r:") as archive:
                members = ((member.name, _content(archive, member)) for member in archive)
                for key, sample in itertools.groupby(members, lambda item: PurePosixPath(item[0]).stem):
                    files = {PurePosixPath(name).suffix: data for name, data in sample}
                    record = parse_json(files.pop(".json", b"{}"), f"{key}.json")
                    yield path.name, flat(record), next(iter(files.values()), b"")
        except (tarfile.TarError, OSError) as error:
            raise InputError(f"{path.name}: it cannot be read ({error})") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) or io.BytesIO()
    return file.read()


def _triplet_faults(path: Path, split: str, people: _People) -> Iterator[Looked]:
    if not path.is_file():
        return
    for number, triplet in read_numbered_triplets(path):
        faults = list(people.faults(triplet.identity, split))
        faults += [f"{image.name} is not there" for image in triplet.images if not os.path.isfile(image)]
        yield from (Looked("line", f"{path.name}, line {number}: {fault}") for fault in faults)
        yield Looked("line")


_LineFaults = Callable[[Path, dict[str, Any]], Iterator[str]]


def _line_faults(path: Path, split: str, people: _People, check: _LineFaults) -> Iterator[Looked]:
    if not path.read_bytes().strip():
        return
    for number, record in read_numbered(path, lambda text: parse_json(text, "it")):
        person = record.get("person") or record.get("identity")
        faults = [*people.faults(person, split), *check(path.parent, record)]
        place = f"{path.parent.name}/{path.name}, line {number}"
        yield from (Looked("line", f"{place}: {fault}") for fault in faults)
        yield Looked("line")


def _ffe_faults(folder: Path, record: dict[str, Any]) -> Iterator[str]:
    if record.get("category") not in LABELS:
        yield f"{record.get('category')!r} is no expression"
    yield from _missing(folder, record, "file_name")


def _fed_faults(folder: Path, record: dict[str, Any]) -> Iterator[str]:
    if record.get("class") not in FED_BENCH_CLASSES:
        yield f"{record.get('class')!r} is none of FED-Bench's classes"
    if not {"dense", "simple"} & set(record):
        yield "it has no instruction"
    yield from _missing(folder, record, "source", "truth")


def _preference_faults(folder: Path, record: dict[str, Any]) -> Iterator[str]:
    if record.get("expression") not in LABELS:
        yield f"{record.get('expression')!r} is no expression"
    yield from _missing(folder, record, "base", "chosen", "rejected")


def _missing(folder: Path, record: dict[str, Any], *keys: str) -> Iterator[str]:
    for key in keys:
        if not os.path.isfile(folder / str(record.get(key))):
            yield f"its {key} {record.get(key)!r} is not there"
