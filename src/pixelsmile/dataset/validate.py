"""Whether a data set is whole: rows well-formed, files as their manifests and names say, labels known.

A fault is a line of text. Of all rows their ids are in memory; pictures are hashed one at a time.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pixelsmile.dataset.folder import PICTURES, step_folders
from pixelsmile.dataset.rows import LABELS, Row
from pixelsmile.dataset.step_folder import KEPT, StepFolder, StepManifest
from pixelsmile.errors import InputError, one_line
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.hashing import sha256_file
from pixelsmile.store.manifests import Manifest

HASH_DIGITS = 64


@dataclass(frozen=True)
class Looked:
    """At one thing more: a file or a row. fault: what is wrong with it, None if nothing."""

    what: str
    fault: str | None = None


def data_set_faults(folder: Path) -> Iterator[Looked]:
    """Look at every row and file of a data set. InputError where there is none."""
    before: StepManifest | None = None
    for step_folder in step_folders(folder):
        try:
            manifest = step_folder.manifest()
        except InputError as error:
            yield Looked("manifest", f"{step_folder.name}: {error}")
            manifest = None
        if manifest is not None:
            yield from output_faults(step_folder.path, manifest, f"{step_folder.name}/")
            if before is not None and manifest.inputs[0].sha256 != before.digest:
                yield Looked(
                    "manifest", f"{step_folder.name}: it was made from other rows than are there before it"
                )
        yield from _row_faults(folder, step_folder, manifest)
        before = manifest
    yield from picture_faults(folder / PICTURES)


def output_faults(folder: Path, manifest: Manifest, prefix: str = "") -> Iterator[Looked]:
    """Look whether the files that a manifest names are there, and what it says."""
    for output in manifest.outputs:
        path = folder / output.path
        if not path.is_file():
            yield Looked("file", f"{prefix}{output.path}: it is not there")
        elif sha256_file(path) != output.sha256:
            yield Looked("file", f"{prefix}{output.path}: it is not what its manifest says")
        else:
            yield Looked("file")


def picture_faults(folder: Path) -> Iterator[Looked]:
    """Look whether every picture in a folder and below hashes to its name."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            stem, _ = os.path.splitext(name)
            if len(stem) == HASH_DIGITS:
                path = Path(place, name)
                shown = path.relative_to(folder.parent)
                yield Looked(
                    "picture", None if sha256_file(path) == stem else f"{shown}: its bytes are not its name's"
                )


@dataclass
class SeenRows:
    """What rows must agree on with one another: ids, and edits with their bases."""

    ids: set[int] = field(default_factory=set)

    def faults(self, row: Row) -> Iterator[str]:
        """What is wrong with one more row."""
        number = int(row.id, 16)
        if number in self.ids:
            yield "another row has its id"
        self.ids.add(number)
        yield from label_faults(row)

    def has(self, row_id: str) -> bool:
        """Whether that row was seen."""
        return int(row_id, 16) in self.ids


def label_faults(row: Row) -> Iterator[str]:
    """What is wrong with what a row says of its picture."""
    if row.base is not None and row.expression not in LABELS:
        yield f"it was asked for {row.expression!r}, which is no expression"
    if row.base_expression is not None and row.base_expression not in LABELS:
        yield f"its base shows {row.base_expression!r}, which is no expression"
    for name, score in zip(EXPRESSIONS, row.scores or (), strict=False):
        if score is not None and not 0 <= score <= 1:
            yield f"its score for {name} is {score:g}: scores go from 0 to 1"


def _row_faults(folder: Path, step_folder: StepFolder, manifest: StepManifest | None) -> Iterator[Looked]:
    seen, counts, shard = SeenRows(), dict[str, Counter[str]](), 0
    while step_folder.has(shard):
        for rejected in (False, True):
            place = f"{step_folder.name} shard {shard}"
            try:
                rows = step_folder.rows(shard, rejected=rejected)
            except InputError as error:
                yield Looked("row", one_line(f"{place}: {error}"))
                continue
            for row in rows:
                counts.setdefault(row.domain, Counter())[row.reason or KEPT] += 1
                faults = [*seen.faults(row), *_file_faults(folder, row)]
                if (row.reason is not None) != rejected:
                    faults.append("a rejected row among kept ones, or a kept one among rejected ones")
                yield from (Looked("row", f"{place}, row {row.id}: {fault}") for fault in faults)
                yield Looked("row")
        shard += 1
    if manifest is not None and manifest.num_shards != shard:
        yield Looked("row", f"{step_folder.name}: {shard} shards are there of {manifest.num_shards}")
    elif manifest is not None and manifest.counts != {
        domain: dict(found) for domain, found in counts.items()
    }:
        yield Looked("row", f"{step_folder.name}: its rows are not as many as its manifest says")


def _file_faults(folder: Path, row: Row) -> Iterator[str]:
    for name in {row.picture, row.base_picture} - {None}:
        if not os.path.isfile(folder / (name or "")):
            yield f"its picture {name} is not there"
    if row.picture is not None and Path(row.picture).stem != row.sha256:
        yield "its picture is called by another hash than its own"
