"""An editor in several processes: the edits of one process, also where processes die, and in good order."""

import os
import signal
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from benchmarks.quick_benchmark import QUICK, STRENGTHS, QuickEditor
from dataset.test_ray_workers import begun, ended
from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.catalogue import load_ffe_benchmark
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.editing.editor import Editor
from pixelsmile.editors.editor import Capabilities, EditorStoppedError, EditOutcome, Task, TaskEditor
from pixelsmile.editors.own import OwnEditor, OwnSettings
from pixelsmile.editors.spread import spread_editor
from pixelsmile.errors import InputError

_RAY = """
import sys
from functools import partial
from pathlib import Path
from editors.test_spread import OddEditor, ran, refusing
from pixelsmile.editors.spread import spread_editor
from pixelsmile.errors import InputError
folder = Path(sys.argv[1])
try:
    spread_editor(partial(refusing, folder), 2, "local")
except InputError as error:
    print(error)
print(ran(folder / "ray", spread_editor(partial(OddEditor, folder), 2, "local")).num_events)
"""
needs_ray = pytest.mark.skipif("not __import__('importlib.util').util.find_spec('ray')", reason="without ray")


class OddEditor(QuickEditor):
    """As QuickEditor, and where its folder says so it dies, refuses, or is another in each process."""

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        super().__init__(folder / "calls", seconds)
        self._folder = folder

    def to_record(self) -> dict[str, JsonValue]:
        record = super().to_record()
        return record | {"process": os.getpid()} if (self._folder / "differ").exists() else record

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        async for outcome in super().edit(task, picture, strengths, seed):
            yield outcome
            mark = self._folder / f"die-{task.source}-{task.target}"
            if mark.exists() and outcome.strength == 0.5:
                left = int(mark.read_text()) - 1
                mark.write_text(str(left)) if left else mark.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            if (self._folder / "stop").exists() and task.source == "b":
                raise EditorStoppedError("enough: go on tomorrow")


def refusing(folder: Path) -> TaskEditor:
    raise InputError(f"no editor in {folder.name}: name another")


def dying(folder: Path) -> TaskEditor:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@dataclass(frozen=True)
class Ran:
    folder: RunFolder
    num_events: int


def ran(path: Path, editor: TaskEditor, benchmark=QUICK, strengths=STRENGTHS) -> Ran:
    with RunFolder.claimed(path) as folder:
        events = list(run_edits(benchmark, editor, folder, "linear", strengths, seed=3))
    return Ran(folder, len(events))


def told(folder: RunFolder) -> dict:
    """Every edit's file, as bytes, or the reason why there is none."""
    return {
        key: folder.picture_of(record).read_bytes() if record.file else record.failure
        for key, record in folder.edits().items()
    }


@pytest.fixture
def plain(tmp_path: Path) -> dict:
    """What one process makes; a picture that cannot be read and an edit that is refused are among it."""
    (tmp_path / "plain").mkdir()
    return told(ran(tmp_path / "one", OddEditor(tmp_path / "plain")).folder)


def test_two_processes_make_the_edits_of_one_and_lose_none_to_a_death(tmp_path, plain):
    """One sweep ends its process once, and is done by the next; another each time, and fails alone."""
    (tmp_path / "die-a-happy").write_text("1")
    (tmp_path / "die-d-sad").write_text("9")
    editor = spread_editor(partial(OddEditor, tmp_path), 2)
    assert editor.max_concurrency == 2
    found = told(ran(tmp_path / "two", editor).folder)
    lost = {key for key in found if found[key] != plain[key]}
    assert lost == {("d", "sad", strength) for strength in STRENGTHS}
    (reason,) = {found[key] for key in lost}
    assert reason.startswith("the editor's process ended 2 times over this sweep")
    (tmp_path / "die-d-sad").unlink()
    again = ran(tmp_path / "two", spread_editor(partial(OddEditor, tmp_path), 2))  # the same run goes on
    assert told(again.folder) == plain
    assert sorted((tmp_path / "two").iterdir()) == sorted(
        tmp_path / "two" / path.name for path in (tmp_path / "one").iterdir()
    )


def test_who_stops_early_keeps_what_is_done_and_leaves_no_process(tmp_path):
    editor = spread_editor(partial(OddEditor, tmp_path, 0.3), 2)
    began = time.monotonic()
    with RunFolder.claimed(tmp_path / "run") as folder:
        events = run_edits(QUICK, editor, folder, "linear", STRENGTHS, seed=3)
        while (event := next(events)).record is None or event.record.file is None:
            pass
        processes = [seat._process.pid for seat in editor._seats]
        events.close()  # as Ctrl-C does
        assert event.record.key in folder.edits()
    assert time.monotonic() - began < 60
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]


def test_an_editor_that_stops_ends_the_run_in_good_order(tmp_path):
    (tmp_path / "stop").touch()
    with pytest.raises(EditorStoppedError, match="go on tomorrow"):
        ran(tmp_path / "run", spread_editor(partial(OddEditor, tmp_path), 2))
    assert len(RunFolder(tmp_path / "run").edits()) >= len(STRENGTHS)


def test_what_cannot_be_opened_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match="name another"):
        spread_editor(partial(refusing, tmp_path), 2)
    with pytest.raises(InputError, match="ends as it begins"):
        spread_editor(partial(dying, tmp_path), 2)


def test_processes_with_different_editors_are_refused(tmp_path):
    (tmp_path / "differ").touch()
    with pytest.raises(EditorStoppedError, match="not the same in each process"):
        ran(tmp_path / "run", spread_editor(partial(OddEditor, tmp_path, 0.01), 2))


class Showing(QuickEditor):
    """Says which GPUs it may see."""

    capabilities = Capabilities()

    def to_record(self) -> dict[str, JsonValue]:
        return {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES"), "threads": os.environ["OMP_NUM_THREADS"]}


def test_each_process_has_a_gpu_of_those_that_are_seen_by_turns(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, GPU-7")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    editor = spread_editor(partial(Showing, tmp_path))
    try:
        seen = [seat.open()[1] for seat in editor._seats]
    finally:
        editor._end()
    assert seen == [{"gpus": "4", "threads": "3"}, {"gpus": "GPU-7", "threads": "3"}]


def embedded() -> TaskEditor:
    return OwnEditor(Editor.from_pretrained("embedded", device="cpu"), OwnSettings(steps=2), (0.0, 1.0))


@pytest.mark.slow
def test_the_embedded_editor_in_two_processes_makes_the_bytes_of_one(tmp_path, monkeypatch):
    """With one thread each: another number of them adds in another order."""
    import torch  # not in every process of the other tests

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    benchmark = load_ffe_benchmark("embedded", num_samples=3)
    one = ran(tmp_path / "one", embedded(), benchmark, (0.0, 1.0))
    torch.set_num_threads(num_threads)
    two = ran(tmp_path / "two", spread_editor(embedded, 2), benchmark, (0.0, 1.0))
    assert told(two.folder) == told(one.folder)
    assert two.num_events == one.num_events == 7


@pytest.mark.slow
@needs_ray
def test_ray_makes_the_edits_of_one_process_and_loses_none_to_a_death(tmp_path, plain):
    """In a process of its own, for Ray leaves some behind that Python warns of."""
    (tmp_path / "die-a-happy").write_text("1")
    out, said = ended(begun(_RAY, str(tmp_path)))
    assert told(RunFolder(tmp_path / "ray")) == plain
    assert out.splitlines() == [f"no editor in {tmp_path.name}: name another", "81"]
    assert said == ""
