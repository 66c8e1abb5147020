"""The first step of a benchmark: an editor makes the edits, and every one of them is kept.

After a kill at any moment the same call goes on where it stood: an edit counts as made once its file is whole
and its line is written; what failed is tried again.
"""

import os
import platform
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.run_folder import (
    EditKey,
    EditRecord,
    RunFolder,
    Spec,
    SpendingRecord,
    png_bytes,
)
from pixelsmile.editors.editor import EditorStoppedError, EditOutcome, Task, TaskEditor, check_tasks
from pixelsmile.editors.named import NamedEditor
from pixelsmile.editors.remote import RemoteEditor
from pixelsmile.errors import InputError, PixelSmileError, StrengthError
from pixelsmile.expressions import MAX_STRENGTH, check_strength, check_strengths
from pixelsmile.hashing import sha256_bytes, sha256_json
from pixelsmile.remote import in_step, merged
from pixelsmile.store.json_lines import LineWriter
from pixelsmile.store.manifests import current_code
from pixelsmile.store.publication import write_file

Setting = Literal["general", "linear"]

GENERAL_STRENGTHS: tuple[float, ...] = (1.0,)
DEFAULT_POINTS = 5
_UNANSWERED = "the editor gave neither an edit nor a reason"


@dataclass(frozen=True)
class RunProgress:
    """num_done of num_edits are settled; `record` is the newest, None at the start."""

    num_done: int
    num_edits: int
    record: EditRecord | None = None


@dataclass(frozen=True)
class EditingStatus:
    """How many edits an editor has made, and the reasons of the others. num_missing: tasks without words."""

    run: str
    num_tasks: int
    num_missing: int
    num_edits: int
    failures: Mapping[str, int]

    @classmethod
    def of(cls, run: str, folder: RunFolder) -> Self:
        """What is on disk, where every edit was tried."""
        spec, edits = folder.spec(), folder.edits()
        records = [edits[key] for key in spec.edit_keys()]
        failures = Counter(str(record.failure) for record in records if record.file is None)
        return cls(run, len(spec.tasks), len(spec.without_instruction), len(records), failures)

    @property
    def num_made(self) -> int:
        return self.num_edits - sum(self.failures.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "edits": self.num_edits,
            "made": self.num_made,
            "failures": dict(self.failures),
        }


def uniform_strengths(num_points: int = DEFAULT_POINTS, max_strength: float = 1.0) -> tuple[float, ...]:
    """Evenly spaced from 0 to max_strength, to four decimals (CLS, section 3.2). InputError."""
    if num_points < 2:
        raise InputError(f"a sweep of {num_points} points is none: use at least 2")
    if check_strength(max_strength, "the largest strength") == 0:
        raise StrengthError(f"the largest strength is 0: use one above, up to {MAX_STRENGTH:g}")
    return tuple(round(max_strength * index / (num_points - 1), 4) for index in range(num_points))


def run_edits(
    benchmark: Benchmark,
    editor: TaskEditor,
    folder: RunFolder,
    setting: Setting,
    strengths: Sequence[float],
    seed: int = 0,
) -> Iterator[RunProgress]:
    """Have every edit made that `folder` lacks. An event at the start, then one for each edit.

    As many tasks are under way as the editor takes at once; it rests while the caller works on an event, and
    is closed at the end. folder: from `RunFolder.claimed`. seed: of the run; each sample has its own from it
    (`sample_seed`). What the editor refuses about one task (any error of ours) is kept as that task's
    failure; other exceptions end the run, an EditorStoppedError after what is under way. InputError where the
    folder holds another run, or for tasks that the editor cannot do; OutputError where it cannot be written.
    """
    check_tasks(editor.capabilities, benchmark.tasks, strengths)
    spec = folder.begin(specification(benchmark, editor, setting, strengths, seed))
    whole = _whole_edits(folder)
    keys = spec.edit_keys()
    num_done = sum(key in whole for key in keys)
    yield RunProgress(num_done, len(keys))
    sweeps = (
        _records(editor, folder, task, missing, sample_seed(seed, task.sample))
        for task in benchmark.tasks
        if (missing := [s for s in spec.strengths if (task.source, task.target, s) not in whole])
    )
    with LineWriter(folder.edits_file) as lines:
        records = merged(sweeps, editor.max_concurrency, (EditorStoppedError,))
        try:
            for record in in_step(_closing(records, editor)):
                lines.write(record)
                num_done += 1
                yield RunProgress(num_done, len(keys), record)
        finally:
            _keep_spending(editor, folder)


def distinct_strengths(strengths: Sequence[float]) -> tuple[float, ...]:
    """Those of a run's sweeps. StrengthError for one out of range, and for one that is named twice."""
    checked = tuple(strength + 0.0 for strength in check_strengths(strengths))  # -0 becomes 0
    if len(set(checked)) < len(checked):
        raise StrengthError(f"strengths {' '.join(f'{s:g}' for s in checked)} name one twice: leave it out")
    return checked


def specification(
    benchmark: Benchmark, editor: TaskEditor, setting: Setting, strengths: Sequence[float], seed: int
) -> Spec:
    """What `run_edits` writes down of a run, or finds in its folder. StrengthError."""
    checked = distinct_strengths(strengths)
    return Spec.model_validate(
        {
            "created": datetime.now(UTC).replace(microsecond=0),
            "hardware": hardware(),
            "code": current_code(),
            "benchmark": benchmark.to_record(),
            "editor": editor.to_record(),
            "setting": setting,
            "strengths": checked,
            "seed": seed,
            "tasks": tuple(task.as_json() for task in benchmark.tasks),
            "without_instruction": tuple(task.as_json() for task in benchmark.unasked),
        }
    )


def sample_seed(seed: int, sample: str) -> int:
    """The seed of all edits of a sample (0 to 2^31 - 1), from that of the run.

    One noise for every picture would make a run a measurement of that noise: whatever it favours, it favours
    in all samples alike, and no interval over samples would show it.
    """
    return int(sha256_json([seed, sample])[:8], 16) >> 1


def _whole_edits(folder: RunFolder) -> set[EditKey]:
    """The edits whose file is there as it was written."""
    whole = set()
    for key, record in folder.edits().items():
        if record.file is not None and folder.fault_of(record) is None:
            whole.add(key)
    return whole


async def _closing(
    records: AsyncGenerator[EditRecord, None], editor: TaskEditor
) -> AsyncGenerator[EditRecord, None]:
    try:
        async with aclosing(records):
            async for record in records:
                yield record
    finally:
        await editor.close()


def _keep_spending(editor: TaskEditor, folder: RunFolder) -> None:
    """Write down what a server was asked for, if any was."""
    asked = editor.inner if isinstance(editor, NamedEditor) else editor
    if not isinstance(asked, RemoteEditor) or not (spent := asked.budget.spending).num_requests:
        return
    with LineWriter(folder.spending_file) as lines:
        lines.write(
            SpendingRecord(
                num_requests=spent.num_requests, num_tokens=spent.num_tokens, dollars=spent.used.cost
            )
        )


async def _records(
    editor: TaskEditor, folder: RunFolder, task: Task, strengths: Sequence[float], seed: int
) -> AsyncGenerator[EditRecord, None]:
    """The edits of a task as they are made, each with its file in place."""
    try:
        picture = task.picture.load()
        if task.triplet is not None and task.truth is not None:
            _keep(folder.truth_file(task.triplet), task.truth.load)
        _keep(folder.source_file(task.source), lambda: picture)
    except PixelSmileError as error:
        for strength in strengths:
            yield _record(folder, task, EditOutcome(strength, None, str(error)), None)
        return
    started = time.monotonic()
    async with aclosing(_outcomes(editor, task, picture, strengths, seed)) as outcomes:
        async for outcome in outcomes:
            yield _record(folder, task, outcome, round(time.monotonic() - started, 3))
            started = time.monotonic()


async def _outcomes(
    editor: TaskEditor, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
) -> AsyncGenerator[EditOutcome, None]:
    """Each of the strengths once, whatever the editor does."""
    waiting, reason = list(strengths), _UNANSWERED
    try:
        async with aclosing(editor.edit(task, picture, strengths, seed)) as outcomes:
            async for outcome in outcomes:
                if outcome.strength not in waiting:
                    raise ValueError(
                        f"the editor made {task.key} at {outcome.strength!r}, where {waiting} is wanted"
                    )
                waiting.remove(outcome.strength)
                yield outcome
    except EditorStoppedError:
        raise
    except PixelSmileError as error:
        reason = str(error)
    for strength in waiting:
        yield EditOutcome(strength, None, reason)


def _keep(path: Path, load: Callable[[], Image.Image]) -> None:
    if not path.exists():
        write_file(path, png_bytes(load()))


def _record(folder: RunFolder, task: Task, outcome: EditOutcome, seconds: float | None) -> EditRecord:
    """Write the picture, if there is one, and say so."""
    named = {"source": task.source, "target": task.target}
    if outcome.image is None:
        failure = outcome.failure or _UNANSWERED
        return EditRecord(**named, strength=outcome.strength, failure=failure, seconds=seconds)
    data = png_bytes(outcome.image)
    name = folder.edit_name((task.source, task.target, outcome.strength))
    write_file(folder.path / name, data, force=True)  # a killed run may have left it without its line
    digest = sha256_bytes(data)
    return EditRecord(**named, strength=outcome.strength, file=name, sha256=digest, seconds=seconds)


def hardware() -> dict[str, JsonValue]:
    """The machine that a run is made on, as far as numbers may depend on it; nothing in it names the machine.

    System, processors that this process may use, memory in GB, and the GPUs where torch is loaded.
    """
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "num_processors": _num_processors(),
        "memory_gb": _memory_gb(),
        "gpus": _gpus(),
    }


def _num_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def _gpus() -> list[JsonValue]:
    torch = sys.modules.get("torch")  # loading it to look would take seconds
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
