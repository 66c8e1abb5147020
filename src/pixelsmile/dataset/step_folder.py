"""The folder of a step: shards of rows, kept and rejected ones, each whole or not there.

    STEP/plan.json               the settings and the hash of what came in, written first
    STEP/rows-00000.jsonl        the rows that go on
    STEP/rejected-00000.jsonl    the others of the same shard, with their reasons
    STEP/unfinished.jsonl        batches of the shard under way, where one is dear
    STEP/manifest.json           counts of every reason and hashes of every shard, written last

JSON lines rather than Parquet: the same rows give the same bytes with every version of every library, a line
can be read by eye, and a shard is small enough to be rewritten as a whole. Nobody ever needs more than one in
memory.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from pixelsmile.dataset.rows import Row
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_json
from pixelsmile.limits import MAX_FILE_BYTES, read_json_object, read_record, shown
from pixelsmile.store.json_lines import LineWriter, Record, read_lines
from pixelsmile.store.manifests import MANIFEST_NAME, FileRecord, Manifest, make_manifest, record_file
from pixelsmile.store.publication import staged, write_file
from pixelsmile.store.run_folder import differences

KEPT = "kept"
_PLAN = "plan.json"
_UNFINISHED = "unfinished.jsonl"
_NOTHING: Mapping[str, JsonValue] = {}

Counts = dict[str, dict[str, int]]  # by domain: how many are kept, and rejected for each reason


class StepManifest(Manifest):
    """What a finished step did. num_shards: of each of the two kinds."""

    num_shards: int
    counts: Counts

    @property
    def num_kept(self) -> int:
        """Rows that go on."""
        return sum(reasons.get(KEPT, 0) for reasons in self.counts.values())

    @property
    def num_rows(self) -> int:
        """All that it has looked at."""
        return sum(sum(reasons.values()) for reasons in self.counts.values())

    @property
    def digest(self) -> str:
        """The hash of all rows."""
        return sha256_json([output.model_dump() for output in self.outputs])


class _Batch(Record):
    """Rows that are done, of which shard."""

    shard: int
    rows: tuple[Row, ...]


class UnfinishedShard:
    """The batches that are done of the shard under way; on disk when `add` returns."""

    def __init__(self, path: Path, shard: int) -> None:
        self._path, self._shard = path, shard
        batches = [batch for batch in read_lines(path, _Batch) if batch.shard == shard]
        self.rows = tuple(row for batch in batches for row in batch.rows)

    def add(self, rows: Sequence[Row]) -> None:
        """Keep a batch. OutputError."""
        with LineWriter(self._path) as lines:
            lines.write(_Batch(shard=self._shard, rows=tuple(rows)))

    def clear(self) -> None:
        """The shard is written: what is added from now on belongs to the next."""
        self._path.unlink(missing_ok=True)
        self._shard += 1


@dataclass(frozen=True)
class StepFolder:
    """The folder of one step, named like it."""

    path: Path

    @property
    def name(self) -> str:
        """Of the step."""
        return self.path.name

    def manifest(self) -> StepManifest | None:
        """None where the step is not finished. InputError for a damaged one."""
        path = self.path / MANIFEST_NAME
        return read_record(path, StepManifest, max_bytes=MAX_FILE_BYTES) if path.exists() else None

    def begin(self, settings: Mapping[str, JsonValue], inputs: Mapping[str, JsonValue]) -> None:
        """Write the plan, or see that it is the same. inputs: hashes of what comes in.

        InputError with the first setting or input that differs, and what to do.
        """
        path = self.path / _PLAN
        if not path.exists():
            write_file(path, _json_bytes({"settings": dict(settings), "inputs": dict(inputs)}))
            return
        self.require(settings, inputs)

    def require(self, settings: Mapping[str, JsonValue], inputs: Mapping[str, JsonValue] = _NOTHING) -> None:
        """InputError where the step was begun with other settings or inputs."""
        path = self.path / _PLAN
        if not path.exists():
            return
        plan = read_json_object(path, max_bytes=MAX_FILE_BYTES)
        advice = f"--redo {self.name} does it again, and all after it; or choose another folder"
        for key, was, wanted in differences(self.settings(), settings):
            raise InputError(
                f"{str(self.path)!r} was made with {self.name}.{key} = {shown(was)}, "
                f"not {shown(wanted)}: {advice}"
            )
        before = plan.get("inputs") or {}
        for key, was, wanted in differences({key: before.get(key) for key in inputs}, inputs):
            raise InputError(
                f"{str(self.path)!r} was made from other {key} "
                f"({shown(was)[:12]}, now {shown(wanted)[:12]}): {advice}"
            )

    def settings(self) -> dict[str, Any]:
        """What it was begun with. InputError for a damaged plan."""
        found = read_json_object(self.path / _PLAN, max_bytes=MAX_FILE_BYTES).get("settings")
        return found if isinstance(found, dict) else {}

    def has(self, shard: int) -> bool:
        """Whether both of its files are there."""
        return all(path.exists() for path in self._paths(shard))

    def num_shards(self) -> int:
        """How many are there, from the first on without a gap."""
        return next(shard for shard in itertools.count() if not self.has(shard))

    def write(self, shard: int, rows: Sequence[Row]) -> None:
        """Kept and rejected rows of a shard, both or neither. OutputError."""
        texts = ["", ""]
        for row in rows:
            texts[row.reason is not None] += row.model_dump_json(exclude_none=True) + "\n"
        paths = self._paths(shard)
        with staged(self.path, [path.name for path in paths], force=True) as stage:
            for path, text in zip(paths, texts, strict=True):
                stage.write(path.name, text.encode())

    def unfinished(self, shard: int) -> UnfinishedShard:
        """What is done of a shard that is not written. InputError for a damaged file."""
        return UnfinishedShard(self.path / _UNFINISHED, shard)

    def rows(self, shard: int, *, rejected: bool = False) -> tuple[Row, ...]:
        """The kept rows of a shard, or its rejected ones."""
        return read_lines(self._paths(shard)[rejected], Row)

    def all_rows(self, *, rejected: bool = False) -> Iterator[Row]:
        """Those of a finished step or of what is there of it, a shard in memory at a time."""
        shard = 0
        while self.has(shard):
            yield from self.rows(shard, rejected=rejected)
            shard += 1

    def every_row(self) -> Iterator[Row]:
        """All that are kept, then all that are rejected."""
        for rejected in (False, True):
            yield from self.all_rows(rejected=rejected)

    def finish(
        self, settings: Mapping[str, JsonValue], source: FileRecord, seeds: Sequence[int], num: int
    ) -> None:
        """Write the manifest. num: of shards."""
        outputs = []
        for shard in range(num):
            for path in self._paths(shard):
                outputs.append(record_file(path).model_copy(update={"path": path.name}))
        made = make_manifest(
            f"dataset-{self.name}", settings=settings, seeds=seeds, inputs=[source], outputs=outputs
        )
        whole = StepManifest(**dict(made), num_shards=num, counts=self.counts())
        write_file(self.path / MANIFEST_NAME, whole.to_json())

    def counts(self) -> Counts:
        """By domain, then by `kept` or the reason, counted in the shards that are there."""
        found: dict[str, Counter[str]] = {}
        for row in self.every_row():
            found.setdefault(row.domain, Counter())[row.reason or KEPT] += 1
        return {domain: dict(sorted(reasons.items())) for domain, reasons in sorted(found.items())}

    def _paths(self, shard: int) -> tuple[Path, Path]:
        return self.path / f"rows-{shard:05}.jsonl", self.path / f"rejected-{shard:05}.jsonl"


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
