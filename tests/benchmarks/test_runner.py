"""The first step of a benchmark: edits are made, kept, and never lost."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Timer, main_thread

import pytest
import quick_benchmark
from PIL import Image
from pydantic import JsonValue
from quick_benchmark import COUNT_FILE, QUICK, STRENGTHS, FlatPicture, QuickEditor, tinted

from pixelsmile.benchmarks.run_folder import EditRecord, RunFolder
from pixelsmile.benchmarks.runner import hardware, run_edits, sample_seed, uniform_strengths
from pixelsmile.editors.command import CommandEditor
from pixelsmile.editors.editor import EditOutcome, Task
from pixelsmile.errors import InputError, OutputError, PixelSmileError
from pixelsmile.hashing import sha256_file
from pixelsmile.store.json_lines import read_lines

HERE = Path(__file__).parent
NUM_EDITS = 16 * 5
NUM_REFUSED, NUM_UNREADABLE = 2, 20
NUM_MADE = NUM_EDITS - NUM_REFUSED - NUM_UNREADABLE


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written outlives the process without it; only a power cut needs it."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    quick_benchmark.run(folder / "run")
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A finished run."""
    shutil.copytree(finished, tmp_path / "mine")
    return tmp_path / "mine" / "run"


def num_calls(folder: Path) -> int:
    return folder.with_name(COUNT_FILE).stat().st_size


def content(folder: Path) -> list[tuple[object, ...]]:
    """The run's edits in order of their keys, without what the clock says; every file is as recorded."""
    edits = RunFolder(folder).edits()
    for record in edits.values():
        if record.file is not None:
            assert sha256_file(folder / record.file) == record.sha256
    return sorted((key, r.file, r.sha256, r.failure) for key, r in edits.items())


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_each_sample_has_a_seed_of_its_own() -> None:
    seeds = {sample_seed(seed, name) for seed in (0, 1) for name in ("a", "b")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert sample_seed(0, "a") == sample_seed(0, "a")


def test_a_run(folder: Path) -> None:
    run = RunFolder(folder)
    edits = run.edits()
    assert tuple(edits) == run.spec().edit_keys()
    assert run.spec().strengths == STRENGTHS
    assert (run.spec().benchmark, run.spec().seed) == (QUICK.to_record(), 3)
    record = edits["d", "angry", 0.25]
    assert record.file == "edits/d/angry_0.25.png"
    wanted = tinted(FlatPicture("d").load(), "angry", 0.25, sample_seed(3, "d"))
    with Image.open(folder / record.file) as image:
        assert image.tobytes() == wanted.tobytes()
    with Image.open(run.source_file("d")) as image:
        assert image.tobytes() == FlatPicture("d").load().tobytes()
    assert num_calls(folder) == NUM_MADE


def test_what_cannot_be_edited_is_a_failure_with_its_reason(folder: Path) -> None:
    failed = {key: r.failure for key, r in RunFolder(folder).edits().items() if r.file is None}
    assert failed.pop(("b", "sad", 0.75)) == failed.pop(("b", "sad", 1.0)) == "too strong for me: use less"
    assert len(failed) == NUM_UNREADABLE
    assert {source for source, _, _ in failed} == {"c"}
    assert set(failed.values()) == {"picture 'c' is damaged: copy it again"}
    assert not RunFolder(folder).source_file("c").exists()


def test_a_second_run_tries_only_what_failed(folder: Path) -> None:
    before = content(folder)
    editor = QuickEditor(folder.with_name(COUNT_FILE))
    with RunFolder.claimed(folder) as claim:
        events = list(run_edits(QUICK, editor, claim, "linear", STRENGTHS, 3))
    assert [event.num_done for event in events] == list(range(NUM_MADE, NUM_EDITS + 1))
    assert events[0].record is None
    assert all(event.record is not None and event.record.failure for event in events[1:])
    assert num_calls(folder) == NUM_MADE
    assert content(folder) == before


@pytest.mark.parametrize("damage", ["missing", "changed", "no line"])
def test_an_edit_that_is_not_whole_is_made_again(folder: Path, damage: str) -> None:
    before = content(folder)
    path = folder / "edits" / "a" / "shy_0.50.png"
    match damage:
        case "missing":
            path.unlink()
        case "changed":
            path.write_bytes(path.read_bytes()[:-20])
        case "no line":
            lines = (folder / "edits.jsonl").read_text().splitlines(keepends=True)
            kept = [line for line in lines if "shy_0.50" not in line or '"a"' not in line]
            assert len(kept) == len(lines) - 1
            (folder / "edits.jsonl").write_text("".join(kept))
    quick_benchmark.run(folder)
    assert num_calls(folder) == NUM_MADE + 1
    assert content(folder) == before


@pytest.mark.parametrize("at_once", [1, 4])
def test_killed_at_random_moments_it_is_as_if_nothing_had_happened(
    folder: Path, tmp_path: Path, at_once: int
) -> None:
    num_kills = 30 // at_once
    killed = tmp_path / "killed" / "run"
    killed.parent.mkdir()
    command = [sys.executable, quick_benchmark.__file__, str(killed), str(num_kills), "1", str(at_once)]
    subprocess.run(command, check=True, timeout=300)
    assert content(killed) == content(folder)
    lines = [r for r in read_lines(killed / "edits.jsonl", EditRecord) if r.file is not None]
    assert len(lines) == len({line.key for line in lines}) == NUM_MADE  # no edit was kept twice
    assert NUM_MADE <= num_calls(killed) <= NUM_MADE + num_kills * at_once  # what was in flight, and no more
    assert sorted(files(killed)) == sorted(files(folder))  # and no litter
    assert sorted(path.name for path in killed.parent.iterdir()) == [COUNT_FILE, "run"]


def test_as_many_samples_as_the_editor_takes_are_under_way(folder: Path, tmp_path: Path) -> None:
    """The command answers nobody before it has four sources in hand, and then in any order."""
    editor = CommandEditor(f"{sys.executable} {HERE / 'four_at_once.py'}", tmp_path, max_concurrency=4)
    tasks = tuple(task for task in QUICK.tasks if task.source != quick_benchmark.UNREADABLE)
    benchmark = replace(QUICK, tasks=tasks)
    with RunFolder.claimed(tmp_path / "run") as claim:
        records = [event.record for event in run_edits(benchmark, editor, claim, "linear", STRENGTHS)]
    assert [record.failure for record in records if record is not None] == [None] * 60
    made = RunFolder(tmp_path / "run").edits()
    assert set(made) == {(task.source, task.target, s) for task in tasks for s in STRENGTHS}
    for (source, _, _), record in made.items():
        with Image.open(tmp_path / "run" / str(record.file)) as image:
            assert image.tobytes() == FlatPicture(source).load().tobytes()
    assert not (tmp_path / "scratch").exists()


class SleepyEditor(QuickEditor):
    """Is interrupted while it waits, or while it computes."""

    def __init__(self, calls: Path, computes: bool) -> None:
        super().__init__(calls, max_concurrency=4)
        self._computes, self.is_closed = computes, False

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        yield EditOutcome(strengths[0], picture)
        if self._computes or task.target == "sad":
            Timer(0.1, lambda: signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)).start()
        if self._computes:
            time.sleep(30)
        else:
            await asyncio.sleep(30)

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("computes", [False, True])
def test_ctrl_c_ends_it_at_once_and_keeps_what_was_made(tmp_path: Path, computes: bool) -> None:
    editor = SleepyEditor(tmp_path / COUNT_FILE, computes)
    started = time.monotonic()
    with RunFolder.claimed(tmp_path / "run") as claim, pytest.raises(KeyboardInterrupt):
        for _ in run_edits(QUICK, editor, claim, "linear", (0.0, 1.0)):
            pass
    assert time.monotonic() - started < 10
    assert editor.is_closed
    made = RunFolder(tmp_path / "run").edits()
    assert len(made) == (1 if computes else 4)
    assert all(RunFolder(tmp_path / "run").fault_of(record) is None for record in made.values())


def test_a_folder_holds_one_run(folder: Path) -> None:
    editor = QuickEditor(folder.with_name(COUNT_FILE))
    before = files(folder)
    with RunFolder.claimed(folder) as claim, pytest.raises(InputError, match="begun with seed = 3, not 4"):
        next(run_edits(QUICK, editor, claim, "linear", STRENGTHS, seed=4))
    assert files(folder) == before


def test_the_first_difference_is_named(folder: Path) -> None:
    class Other(QuickEditor):
        def to_record(self) -> dict[str, JsonValue]:
            return {**super().to_record(), "kind": "other", "steps": 3}

    editor = Other(folder.with_name(COUNT_FILE))
    reason = r"begun with editor.kind = 'test', not 'other': choose"
    with RunFolder.claimed(folder) as claim, pytest.raises(InputError, match=reason):
        next(run_edits(QUICK, editor, claim, "linear", STRENGTHS, seed=3))


def test_a_run_of_before_that_says_quantise_goes_on(folder: Path) -> None:
    class Quantized(QuickEditor):
        def to_record(self) -> dict[str, JsonValue]:
            return {**super().to_record(), "quantization": "4bit"}

    spec = json.loads((folder / "spec.json").read_text())
    for before, goes_on in (("4bit", True), ("8bit", False), (None, False)):
        spec["editor"]["quantise"] = before
        (folder / "spec.json").write_text(json.dumps(spec))
        with RunFolder.claimed(folder) as claim:
            events = run_edits(
                QUICK, Quantized(folder.with_name(COUNT_FILE)), claim, "linear", STRENGTHS, seed=3
            )
            if goes_on:
                assert next(events).num_done > 0
            else:
                with pytest.raises(
                    InputError, match=r"begun with editor.quantization = .*, not '4bit': choose"
                ):
                    next(events)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'mine\.txt' and no run"), RunFolder.claimed(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        RunFolder.claimed(tmp_path / "run"),
        pytest.raises(OutputError, match="another process is at work"),
        RunFolder.claimed(tmp_path / "run"),
    ):
        pass
    with RunFolder.claimed(tmp_path / "run"):  # and after it
        pass


class OddEditor(QuickEditor):
    """Gives what it was told to give."""

    def __init__(self, *made: EditOutcome | PixelSmileError | Exception) -> None:
        super().__init__(Path("unused"))
        self._made = made

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        for one in self._made:
            if isinstance(one, Exception):
                raise one
            yield one


def first_sweep(folder: Path, editor: OddEditor) -> list[EditRecord]:
    with RunFolder.claimed(folder) as claim:
        events = run_edits(QUICK, editor, claim, "linear", (0.0, 1.0))
        next(events)
        records = [next(events).record, next(events).record]
    return [record for record in records if record is not None]


def test_any_order_will_do_and_silence_is_a_failure(tmp_path: Path) -> None:
    grey = Image.new("L", (40, 30), 7)
    full, neutral = first_sweep(tmp_path / "run", OddEditor(EditOutcome(1.0, grey)))
    assert (full.strength, neutral.strength) == (1.0, 0.0)
    assert neutral.failure == "the editor gave neither an edit nor a reason"
    assert full.file is not None
    with Image.open(tmp_path / "run" / full.file) as image:
        assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (40, 30), (7, 7, 7))


def test_what_was_made_before_a_refusal_is_kept(tmp_path: Path) -> None:
    picture = Image.new("RGB", (32, 32))
    editor = OddEditor(EditOutcome(0.0, picture), InputError("no more"))
    neutral, full = first_sweep(tmp_path / "run", editor)
    assert neutral.file is not None
    assert full.failure == "no more"


@pytest.mark.parametrize("fault", [RuntimeError("broken"), EditOutcome(0.3, None, "unasked")])
def test_faults_of_the_program_stop_the_run(tmp_path: Path, fault: EditOutcome | Exception) -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"broken|0\.3"):
        first_sweep(tmp_path / "run", OddEditor(fault))


@pytest.mark.parametrize("strengths", [(), (0.5, 0.5), (3.0,), (0.0, -0.0)])
def test_impossible_strengths_are_refused_before_anything_is_written(
    tmp_path: Path, strengths: tuple[float, ...]
) -> None:
    editor = QuickEditor(tmp_path / COUNT_FILE)
    with RunFolder.claimed(tmp_path / "run") as claim, pytest.raises(InputError):
        next(run_edits(QUICK, editor, claim, "linear", strengths))
    assert not list(tmp_path.iterdir())


def test_uniform_strengths() -> None:
    assert uniform_strengths() == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert uniform_strengths(4, 1.0) == (0.0, 0.3333, 0.6667, 1.0)
    assert uniform_strengths(3, 1.5) == (0.0, 0.75, 1.5)
    for wrong in ((1, 1.0), (5, 0.0), (5, 2.5), (5, float("nan"))):
        with pytest.raises(InputError):
            uniform_strengths(*wrong)


def test_the_hardware_has_no_name() -> None:
    import platform

    found = hardware()
    assert found["num_processors"] >= 1  # type: ignore[operator]
    assert platform.node() not in str(found)
