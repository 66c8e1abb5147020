"""The first step of a benchmark: an editor makes the edits, and every one of them is kept.

After a kill at any moment the same call goes on where it stood: an edit counts as made once its file is whole
and its line is written; what failed is tried again.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from PIL import Image

from pixelsmile.benchmarks.editors.editor import BenchmarkEditor, Made
from pixelsmile.benchmarks.fed.asking import asked, keep_truth, unasked
from pixelsmile.benchmarks.fed.triplets import FedBenchmark
from pixelsmile.benchmarks.hardware import hardware
from pixelsmile.benchmarks.run_folder import (
    EditKey,
    EditRecord,
    RunFolder,
    Spec,
    TaskRecord,
    png_bytes,
)
from pixelsmile.benchmarks.tasks import Benchmark, Task
from pixelsmile.errors import InputError, PixelSmileError, StrengthError
from pixelsmile.expressions import MAX_STRENGTH, check_strength, check_strengths
from pixelsmile.hashing import sha256_bytes, sha256_json
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


def uniform_strengths(num_points: int = DEFAULT_POINTS, max_strength: float = 1.0) -> tuple[float, ...]:
    """Evenly spaced from 0 to max_strength, to four decimals (CLS, section 3.2). InputError."""
    if num_points < 2:
        raise InputError(f"a sweep of {num_points} points is none: use at least 2")
    if check_strength(max_strength, "the largest strength") == 0:
        raise StrengthError(f"the largest strength is 0: use one above, up to {MAX_STRENGTH:g}")
    return tuple(round(max_strength * index / (num_points - 1), 4) for index in range(num_points))


def run_edits(
    benchmark: Benchmark,
    editor: BenchmarkEditor,
    folder: RunFolder,
    setting: Setting,
    strengths: Sequence[float],
    seed: int = 0,
) -> Iterator[RunProgress]:
    """Have every edit made that `folder` lacks. An event at the start, then one for each edit.

    folder: from `claiming.claimed`. seed: of the run; each sample has its own from it (`sample_seed`). What
    the editor refuses about one task (any error of ours) is kept as that task's failure; other exceptions end
    the run. InputError where the folder holds another run, OutputError where it cannot be written.
    """
    spec = folder.begin(specification(benchmark, editor, setting, strengths, seed))
    whole = _whole_edits(folder)
    keys = spec.edit_keys()
    num_done = sum(key in whole for key in keys)
    yield RunProgress(num_done, len(keys))
    with LineWriter(folder.edits_file) as lines:
        for task in benchmark.tasks:
            missing = [s for s in spec.strengths if (task.source, task.target, s) not in whole]
            for record in _records(benchmark, editor, folder, task, missing, sample_seed(seed, task.sample)):
                lines.write(record)
                num_done += 1
                yield RunProgress(num_done, len(keys), record)


def specification(
    benchmark: Benchmark, editor: BenchmarkEditor, setting: Setting, strengths: Sequence[float], seed: int
) -> Spec:
    """What `run_edits` writes down of a run, or finds in its folder. StrengthError."""
    checked = tuple(strength + 0.0 for strength in check_strengths(strengths))  # -0 becomes 0
    if len(set(checked)) < len(checked):
        raise StrengthError(f"strengths {' '.join(f'{s:g}' for s in checked)} name one twice: leave it out")
    return Spec(
        created=datetime.now(UTC).replace(microsecond=0),
        hardware=hardware(),
        code=current_code(),
        benchmark=benchmark.to_record(),
        editor=editor.to_record(),
        setting=setting,
        strengths=checked,
        seed=seed,
        tasks=asked(benchmark) if isinstance(benchmark, FedBenchmark) else _tasks(benchmark),
        without_instruction=unasked(benchmark) if isinstance(benchmark, FedBenchmark) else (),
    )


def sample_seed(seed: int, sample: str) -> int:
    """The seed of all edits of a sample (0 to 2^31 - 1), from that of the run.

    One noise for every picture would make a run a measurement of that noise: whatever it favours, it favours
    in all samples alike, and no interval over samples would show it.
    """
    return int(sha256_json([seed, sample])[:8], 16) >> 1


def _tasks(benchmark: Benchmark) -> tuple[TaskRecord, ...]:
    return tuple(TaskRecord(**task.as_json()) for task in benchmark.tasks)


def _whole_edits(folder: RunFolder) -> set[EditKey]:
    """The edits whose file is there as it was written."""
    whole = set()
    for key, record in folder.edits().items():
        if record.file is not None and folder.fault_of(record) is None:
            whole.add(key)
    return whole


def _records(
    benchmark: Benchmark,
    editor: BenchmarkEditor,
    folder: RunFolder,
    task: Task,
    strengths: Sequence[float],
    seed: int,
) -> Iterator[EditRecord]:
    """The edits of a task as they are made, each with its file in place."""
    if not strengths:
        return
    try:
        picture = benchmark.picture(task.source)
        if isinstance(benchmark, FedBenchmark):
            keep_truth(benchmark, folder, task.source)
    except PixelSmileError as error:
        for strength in strengths:
            yield _record(folder, task, Made(strength, None, str(error)), None)
        return
    if not folder.source_file(task.source).exists():
        write_file(folder.source_file(task.source), png_bytes(picture))
    started = time.monotonic()
    for made in _made(editor, task, picture, strengths, seed):
        yield _record(folder, task, made, round(time.monotonic() - started, 3))
        started = time.monotonic()


def _made(
    editor: BenchmarkEditor, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
) -> Iterator[Made]:
    """Each of the strengths once, whatever the editor does."""
    waiting, reason = list(strengths), _UNANSWERED
    try:
        for made in editor.edit(task, picture, strengths, seed):
            if made.strength not in waiting:
                raise ValueError(
                    f"the editor made {task.key} at {made.strength!r}, where {waiting} is wanted"
                )
            waiting.remove(made.strength)
            yield made
    except PixelSmileError as error:
        reason = str(error)
    for strength in waiting:
        yield Made(strength, None, reason)


def _record(folder: RunFolder, task: Task, made: Made, seconds: float | None) -> EditRecord:
    """Write the picture, if there is one, and say so."""
    named = {"source": task.source, "target": task.target}
    if made.image is None:
        failure = made.failure or _UNANSWERED
        return EditRecord(**named, strength=made.strength, failure=failure, seconds=seconds)
    data = png_bytes(made.image)
    name = folder.edit_name((task.source, task.target, made.strength))
    write_file(folder.path / name, data, force=True)  # a killed run may have left it without its line
    return EditRecord(**named, strength=made.strength, file=name, sha256=sha256_bytes(data), seconds=seconds)
