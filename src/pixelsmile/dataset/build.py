"""Building: the steps of a configuration, one after the other; a build that was killed goes on where it was.

Three kinds of steps. One takes rows in batches, in any process, in any order: `BatchFunction`, and as well a
function for Ray Data's `map_batches`. Another has to see all rows first, keeps a small key of each, and then
says of each row what becomes of it: `Decide`. `compose` makes many rows of one; these stay together, in a
shard and in a batch, to the end.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue

from pixelsmile.dataset.annotate import Annotate, check_judges
from pixelsmile.dataset.batches import BatchFunction, Dear, Decide, EachRow, lost_row, row_batches
from pixelsmile.dataset.collect import Collect, lost_item
from pixelsmile.dataset.combinations import COMBINATIONS
from pixelsmile.dataset.compose import Compose
from pixelsmile.dataset.config import BuildConfig, is_drawn
from pixelsmile.dataset.duplicates import Duplicates
from pixelsmile.dataset.faces import Faces, networks_record
from pixelsmile.dataset.folder import CONFIG_NAME, STEPS, steps_of
from pixelsmile.dataset.generate import Generate, check_editor, price_words
from pixelsmile.dataset.identities import Identities
from pixelsmile.dataset.review import Reviewed, read_decisions
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.screen import Screen
from pixelsmile.dataset.sources import items, listing
from pixelsmile.dataset.step_folder import StepFolder, StepManifest, UnfinishedShard
from pixelsmile.errors import InputError, install
from pixelsmile.hashing import sha256_file
from pixelsmile.store.configuration import write_configuration
from pixelsmile.store.manifests import FileRecord
from pixelsmile.store.publication import remove_folder, write_file
from pixelsmile.store.run_folder import WorkFolder
from pixelsmile.workers.pool import Workers
from pixelsmile.workers.ray_cluster import RayWorkers

_BATCH_ITEMS, _BATCH_ROWS = 4, 16  # a batch of items may hold whole files in memory

T = TypeVar("T")


class DatasetFolder(WorkFolder):
    """A data set while it is built."""

    PLAN = CONFIG_NAME
    WORK = "building"


@dataclass(frozen=True)
class Progress:
    """How far a step has come, in pictures. manifest: once it is finished; is_new: now, and not before.

    note: what it will cost, at its start, or has cost so far; empty for nothing.
    """

    step: str
    done: int
    total: int
    manifest: StepManifest | None = None
    is_new: bool = True
    note: str = ""


def build(
    folder: Path,
    config: BuildConfig,
    *,
    until: str | None = None,
    num_workers: int = 0,
    redo: str | None = None,
    ray: str | None = None,
) -> Iterator[Progress]:
    """Do what the folder lacks, to the end or to step `until`; the rows are the same with any num_workers.

    num_workers: processes of one thread each; 0 works in this one, whose number of threads the last bit of
    an embedding depends on (`torch.set_num_threads(1)` for the rows of the others). redo: first take away
    that step and all after it. ray: of a cluster that does the work instead, its address (`RayWorkers`).
    InputError before any work where a finished step was made with other settings, where a source is empty or
    something is not installed; OutputError where the folder cannot be written.
    """
    wanted = _wanted(config, until, redo)
    _check_before_work(config, wanted)
    redone = () if redo is None else STEPS[STEPS.index(redo) :]
    is_generated = "generate" not in redone and StepFolder(folder / "generate").manifest() is not None
    if "generate" in wanted and config.generate is not None and not is_generated:
        check_editor(config.generate)
    pool = Workers(num_workers) if ray is None else RayWorkers(ray, num_workers)
    with DatasetFolder.claimed(folder), pool as workers, ExitStack() as closing:
        for step in redone:
            remove_folder(folder / step)
        for step in wanted:
            StepFolder(folder / step).require(_settings(config, step))
        builder = _Builder(folder, config, workers)
        closing.callback(builder.close)
        builder.check_sources()
        write_configuration(config, folder / CONFIG_NAME)
        before: StepManifest | None = None
        for step in wanted:
            step_folder = StepFolder(folder / step)
            if (manifest := step_folder.manifest()) is None:
                yield from builder.run(step_folder, before)
                manifest = step_folder.manifest()
                assert manifest is not None
                yield Progress(step, manifest.num_rows, manifest.num_rows, manifest)
            else:
                step_folder.require(_settings(config, step), _cheap_inputs(config, step, before))
                yield Progress(step, manifest.num_rows, manifest.num_rows, manifest, is_new=False)
            before = manifest


def _settings(config: BuildConfig, step: str) -> dict[str, JsonValue]:
    """What its rows depend on: a section without its RUN_ONLY, such as what a run may cost."""
    section = getattr(config, step)
    found: dict[str, JsonValue] = section.model_dump(mode="json", exclude=getattr(section, "RUN_ONLY", None))
    return found


def _cheap_inputs(config: BuildConfig, step: str, before: StepManifest | None) -> dict[str, JsonValue]:
    """What a finished step was made from, as far as it is looked at again."""
    found: dict[str, JsonValue] = {} if before is None else {"rows": before.digest}
    if step == "review":
        found["decisions"] = sha256_file(_decisions_path(config))
    if step == "screen":
        found["decisions"] = [sha256_file(path) for path in _people_of_screen(config)]
    return found


def _people_of_screen(config: BuildConfig) -> list[Path]:
    """The decisions of each."""
    return [] if config.screen is None else [Path(path).expanduser() for path in config.screen.decisions]


def _decisions_path(config: BuildConfig) -> Path:
    return Path(config.review.decisions or "").expanduser()


def _wanted(config: BuildConfig, until: str | None, redo: str | None) -> tuple[str, ...]:
    """The steps to the last that is asked for. InputError for one that the data set lacks."""
    steps = steps_of(config)
    for step in (until, redo):
        if step is not None and step not in steps:
            raise InputError(f"this data set has no step {step!r}: its steps are {', '.join(steps)}")
    return steps if until is None else steps[: steps.index(until) + 1]


def _check_before_work(config: BuildConfig, steps: Sequence[str]) -> None:
    """InputError, RemoteError for what would end one of the steps after hours."""
    if "faces" in steps and config.duplicates.max_distance is not None and find_spec("imagehash") is None:
        raise InputError(
            f"near duplicates need the package imagehash: {install('data')}, "
            "or --set duplicates.max_distance=null"
        )
    if "review" in steps:
        read_decisions(_decisions_path(config))
    if "screen" in steps:
        for path in _people_of_screen(config):
            read_decisions(path)
    if "annotate" in steps and config.annotate is not None:
        check_judges(config.annotate)


class _Builder:
    """One run of `build`."""

    def __init__(self, folder: Path, config: BuildConfig, workers: Workers | RayWorkers) -> None:
        self._folder, self._config, self._workers = folder, config, workers
        self._listing: tuple[int, str] | None = None

    def check_sources(self) -> None:
        """List the pictures, where they are still to be collected. InputError for an empty source."""
        if StepFolder(self._folder / "collect").manifest() is None:
            self._listing = listing(self._config.collect)

    def run(self, step_folder: StepFolder, before: StepManifest | None) -> Iterator[Progress]:
        """Do the shards that are missing, then write the manifest."""
        config, step = self._config, step_folder.name
        inputs, settings = self._inputs(step, before), _settings(config, step)
        step_folder.begin(settings, inputs)
        num, source = self._extent(before)
        total = self._listing[0] if before is None and self._listing is not None else num_kept(before)
        if note := self._price(step):
            yield Progress(step, 0, total, note=note)
        done = 0
        for num_rows in self._shards(step_folder, num):
            done += num_rows
            yield Progress(step, done, total, note=self._spent(step))
        seeds = [people.first_seed for people in config.collect.drawn.values()]
        step_folder.finish(settings, source, seeds, step_folder.num_shards() if step == "compose" else num)

    def close(self) -> None:
        """Let go of what the steps hold."""
        for function in vars(self).get("_functions", {}).values():
            if isinstance(function, Dear):
                function.close()

    def _price(self, step: str) -> str:
        """What a step will cost, where money is known to be spent."""
        compose = self._config.compose
        if step == "compose" and compose is not None and compose.judge is not None:
            return f"asking {compose.judge} about the combinations"
        if step != "generate" or self._config.generate is None:
            return ""
        is_left = [row for row in self._before(step).all_rows() if row.base is not None]
        return price_words(self._config.generate, len(is_left))

    def _spent(self, step: str) -> str:
        function = self._functions.get(step)
        return function.spent() if isinstance(function, Dear) else ""

    def _inputs(self, step: str, before: StepManifest | None) -> dict[str, JsonValue]:
        found = _cheap_inputs(self._config, step, before)
        if step == "collect" and self._listing is not None:
            found["pictures"] = self._listing[1]
        if step == "faces":
            sources = self._config.collect.sources.values()
            kinds = {(source.domain, is_drawn(source)) for source in sources}
            found["networks"] = networks_record(self._config.faces, kinds)
        elif step == "compose":
            found["made_by"] = self._compose.record()
        elif (function := self._functions.get(step)) is not None:
            found["made_by"] = function.record()
        return found

    @cached_property
    def _functions(self) -> dict[str, BatchFunction]:
        config, folder = self._config, self._folder
        found: dict[str, BatchFunction] = {}
        if config.generate is not None:
            found["generate"] = Generate(folder, config.generate)
        if config.annotate is not None:
            found["annotate"] = Annotate(folder, config.annotate)
        if config.screen is not None:
            found["screen"] = Screen(folder, config.screen, config.faces)
        return found

    @cached_property
    def _compose(self) -> Compose:
        assert self._config.compose is not None
        return Compose(self._config.compose, self._folder)

    def _extent(self, before: StepManifest | None) -> tuple[int, FileRecord]:
        """How many shards a step has, and what it takes in."""
        if before is not None:
            record = FileRecord(path=before.kind, sha256=before.digest, size_bytes=_num_bytes(before))
            return before.num_shards, record
        assert self._listing is not None
        num, digest = self._listing
        return -(-num // self._config.collect.shard_rows), FileRecord(
            path="sources", sha256=digest, size_bytes=0
        )

    def _shards(self, step_folder: StepFolder, num: int) -> Iterator[int]:
        """Write what is missing; how many rows were settled each time, also of those that were there."""
        if step_folder.name == "compose":
            yield from self._composed(step_folder)
            return
        start = next((shard for shard in range(num) if not step_folder.has(shard)), num)
        for shard in range(start):
            yield len(step_folder.rows(shard)) + len(step_folder.rows(shard, rejected=True))
        if start == num:
            return
        config, previous = self._config, self._before(step_folder.name)
        match step_folder.name:
            case "collect":
                collect = Collect(self._folder, config.collect.min_side_px)
                yield from self._mapped(step_folder, collect, self._items(start, num), lost_item)
            case "faces":
                faces = EachRow("faces", Faces(self._folder, config.faces))
                batches = row_batches(previous, start, num, _BATCH_ROWS)
                yield from self._mapped(step_folder, faces, batches, lost_row("faces"))
            case "review" | "duplicates" | "identities" as step:
                decide = self._decided_by(step)(previous.all_rows())
                yield from _decided(step_folder, previous, decide, start, num)
            case step:
                function = self._functions[step]
                kept = step_folder.unfinished(start) if function.keeps_batches else None
                num_done = 0 if kept is None else len(kept.rows)
                yield num_done
                batches = row_batches(previous, start, num, function.batch_rows, num_done)
                yield from self._mapped(
                    step_folder,
                    function,
                    batches,
                    lost_row(step),
                    workers=Workers(0) if function.in_process else self._workers,
                    kept=kept,
                )

    def _decided_by(self, step: str) -> Callable[[Iterable[Row]], Decide]:
        match step:
            case "review":
                return Reviewed(_decisions_path(self._config))
            case "duplicates":
                return Duplicates(self._config.duplicates)
        return Identities(self._config.identities)

    def _composed(self, step_folder: StepFolder) -> Iterator[int]:
        """Shards of whole groups; of each, how many bases it has. What is there is not written again."""
        compose, shard_rows = self._compose, self._config.collect.shard_rows
        text = json.dumps(compose.combinations.to_json(), indent=1)
        write_file(step_folder.path / COMBINATIONS, f"{text}\n".encode(), force=True)
        shard = num_bases = 0
        rows: list[Row] = []
        for base in self._before(step_folder.name).all_rows():
            rows += compose(base)
            num_bases += 1
            if len(rows) >= shard_rows:
                if not step_folder.has(shard):
                    step_folder.write(shard, rows)
                yield num_bases
                shard, num_bases, rows = shard + 1, 0, []
        if rows or shard == 0:
            step_folder.write(shard, rows)
            yield num_bases

    def _before(self, step: str) -> StepFolder:
        steps = steps_of(self._config)
        return StepFolder(self._folder / steps[max(0, steps.index(step) - 1)])

    def _items(self, start: int, num: int) -> Iterator[tuple[int, bool, Sequence[Any]]]:
        """Batches of what is to be read, that never hold more than one shard's."""
        assert self._listing is not None
        rows = self._config.collect.shard_rows
        found = items(self._config.collect, start * rows)
        for shard in range(start, num):
            left = min(rows, self._listing[0] - shard * rows)
            while left > 0:
                batch = list(islice(found, min(_BATCH_ITEMS, left)))
                if not batch:
                    raise InputError("a source has lost pictures while it was read: build once more")
                left -= len(batch)
                yield shard, left == 0, batch

    def _mapped(
        self,
        step_folder: StepFolder,
        function: Callable[[Sequence[T]], list[Row]],
        batches: Iterable[tuple[int, bool, Sequence[T]]],
        lost: Callable[[T], Row],
        *,
        workers: Workers | RayWorkers | None = None,
        kept: UnfinishedShard | None = None,
    ) -> Iterator[int]:
        """Batches through the workers, put together to shards; how many rows each has settled.

        batches: of each its shard, and whether it ends that.

        kept: what is done of the first shard, and not in `batches`; theirs are put there.
        """
        places: deque[tuple[int, bool]] = deque()
        rows: list[Row] = [] if kept is None else list(kept.rows)

        def given() -> Iterator[Sequence[T]]:
            for shard, is_last, batch in batches:
                places.append((shard, is_last))
                yield batch

        for found in (workers or self._workers).map(function, given(), lost):
            rows += found
            shard, is_last = places.popleft()
            if is_last:
                step_folder.write(shard, rows)
                rows = []
                if kept is not None:
                    kept.clear()
            elif kept is not None:
                kept.add(found)
            yield len(found)


def num_kept(manifest: StepManifest | None) -> int:
    """Rows that a finished step has left; none of one that is not."""
    return 0 if manifest is None else manifest.num_kept


def _decided(
    step_folder: StepFolder, previous: StepFolder, decide: Decide, start: int, num: int
) -> Iterator[int]:
    number = sum(len(previous.rows(shard)) for shard in range(start))
    for shard in range(start, num):
        rows = previous.rows(shard)
        step_folder.write(shard, [decide(number + place, row) for place, row in enumerate(rows)])
        number += len(rows)
        yield len(rows)


def _num_bytes(manifest: StepManifest) -> int:
    return sum(output.size_bytes for output in manifest.outputs)
