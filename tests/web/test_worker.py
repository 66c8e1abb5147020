"""The worker: one after another or together, cancelled, stopped; with an engine that can be held up."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import tiny_qwen21
from PIL import Image

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.engine import EditJob, EngineInfo, EngineResult, Preview, Progress
from pixelsmile.editing.family import QWEN_21
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.pictures import open_source
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import stream_edit
from pixelsmile.web.models import Desk, Loaded, LoadingError, Served
from pixelsmile.web.worker import Done, Failed, Started, StoppedError, Tools, Work, Worker

STEPS = 3
GREY = Image.new("RGB", (64, 64), (90, 90, 90))


class Brightness:
    """An engine that adds 100 levels at full strength, in steps, when it is let; nothing is loaded for it."""

    multiple_px = 1
    info = EngineInfo("/home/somebody/secret", "cpu", "float32", 64, STEPS)

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.steps = 0
        self.fails_at: int | None = None  # seed

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        for _, event in self.run([job]):
            yield event

    def run(self, jobs: Sequence[EditJob]) -> Iterator[tuple[int, Progress | EngineResult]]:
        self.batches.append(len(jobs))
        for step in range(1, STEPS + 1):
            assert self.may_go.wait(10)
            self.steps += 1
            for place, job in enumerate(jobs):
                if job.seed == self.fails_at:
                    raise RuntimeError("no picture")
                yield place, Progress("denoise", step, STEPS)
                if job.previews and step == 1:
                    yield place, Preview("denoise", step, STEPS, GREY, 0, 0)
        for place, job in enumerate(jobs):
            level = job.image.getpixel((0, 0))[0]
            images = [
                [
                    Image.new("RGB", job.image.size, (level + round(100 * sum(weights)),) * 3)
                    for weights in one
                ]
                for one in (target.weights for target in job.targets)
            ]
            yield place, EngineResult(images, ("all",) * len(images), (1.0,), len(jobs))


class Together(Brightness):
    """The same, which makes batches."""

    def stream_many(self, jobs: Sequence[EditJob]) -> Iterator[tuple[int, Progress | EngineResult]]:
        return self.run(jobs)


class TestDesk(Desk):
    __test__ = False

    def __init__(self, **engines: Brightness) -> None:
        choices = {name: ModelChoice(name) for name in engines}
        super().__init__(Served(choices, next(iter(choices)), next(iter(choices))), max_loaded=1)
        self.engines, self.loads = engines, []

    def _load(self, name: str) -> Loaded:
        self.loads.append(name)
        engine = self.engines[name]
        return Loaded(engine, EngineInfo(name, "cpu", "float32", 64, STEPS))


@dataclass
class Heard:
    """What one client was told."""

    events: list[object] = field(default_factory=list)
    end: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: object) -> None:
        self.events.append(event)
        if isinstance(event, Done | Failed):
            self.end.set()

    @property
    def result(self) -> EditResult:
        assert self.end.wait(10)
        (result,) = (event for event in self.events if isinstance(event, EditResult))
        return result

    @property
    def error(self) -> Exception:
        assert self.end.wait(10)
        assert isinstance(self.events[-1], Failed)
        return self.events[-1].error


def edit(level: int = 50, side: int = 64, seed: int = 0, previews: int = 0) -> Work:
    source = open_source(Image.new("RGB", (side, 64), (level,) * 3))

    def work(tools: Tools) -> Iterator[object]:
        requests = [Request("happy", strengths=(0, 1))]
        yield from stream_edit(tools.editor(previews), source, [], requests, seed=seed)

    return work


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[Worker, TestDesk]]]:
    workers = []

    def start(**engines: Brightness) -> tuple[Worker, TestDesk]:
        desk = TestDesk(**engines)
        workers.append((Worker([desk]), desk))
        return workers[-1]

    yield start
    for worker, desk in workers:
        for engine in desk.engines.values():
            engine.may_go.set()
        worker.stop()
        worker.join(10)


def levels(heard: Heard) -> list[int]:
    return [image.getpixel((5, 5))[0] for image in heard.result.images]


def until(true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def test_work_is_done_and_told_in_order(started) -> None:
    worker, _ = started(plain=Brightness())
    heard = Heard()
    worker.submit("plain", edit(level=20, previews=1), heard)
    assert levels(heard) == [20, 120]
    kinds = [type(event) for event in heard.events]
    assert kinds == [Started, Progress, Preview, Progress, Progress, EditResult, Done]
    assert heard.result.settings["model"] == "plain"  # and not where it lies
    assert worker.num_running == worker.num_waiting == 0


def test_an_engine_without_batches_makes_one_after_the_other(started) -> None:
    engine = Brightness()
    worker, _ = started(plain=engine)
    all_heard = [Heard() for _ in range(3)]
    for number, heard in enumerate(all_heard):
        worker.submit("plain", edit(level=10 * number), heard)
    assert [levels(heard) for heard in all_heard] == [[0, 100], [10, 110], [20, 120]]
    assert engine.batches == [1, 1, 1]


def test_what_waits_together_and_is_alike_shares_a_batch(started) -> None:
    engine = Together()
    engine.may_go.clear()
    worker, _ = started(many=engine)
    first = Heard()
    worker.submit("many", edit(), first)
    until(lambda: engine.batches == [1])
    all_heard = [Heard() for _ in range(4)]
    for number, heard in enumerate(all_heard):
        worker.submit("many", edit(level=10 * number, side=96 if number == 1 else 64, seed=number), heard)
    engine.may_go.set()
    assert [levels(heard)[1] for heard in all_heard] == pytest.approx([100, 110, 120, 130], abs=1)
    assert engine.batches == [1, 3, 1]  # the one of another size goes alone


def test_a_failure_in_a_batch_is_nobody_elses(started) -> None:
    engine = Together()
    engine.may_go.clear()
    engine.fails_at = 2
    worker, _ = started(many=engine)
    all_heard = [Heard() for _ in range(4)]
    for seed, heard in enumerate(all_heard):
        worker.submit("many", edit(seed=seed), heard)
    engine.may_go.set()
    assert "no picture" in str(all_heard[2].error)
    for heard in (*all_heard[:2], all_heard[3]):
        assert levels(heard) == [50, 150]


def test_who_cancels_is_told_no_more_and_holds_nobody_up(started) -> None:
    engine = Together()
    engine.may_go.clear()
    worker, _ = started(many=engine)
    runs, waits, last = Heard(), Heard(), Heard()
    running = worker.submit("many", edit(), runs)
    until(lambda: engine.batches == [1])
    waiting = worker.submit("many", edit(), waits)
    worker.submit("many", edit(), last)
    running.cancel()
    waiting.cancel()
    assert worker.num_waiting == 1
    num_told = len(runs.events)
    engine.may_go.set()
    assert levels(last) == [50, 150]
    assert len(runs.events) == num_told
    assert waits.events == []
    assert engine.steps == 1 + STEPS  # the first run ended with the step at hand
    assert engine.batches == [1, 1]


def test_stopping_finishes_what_runs_and_refuses_the_rest(started) -> None:
    engine = Brightness()
    engine.may_go.clear()
    worker, _ = started(plain=engine)
    runs, waits = Heard(), Heard()
    worker.submit("plain", edit(), runs)
    until(lambda: engine.batches == [1])
    worker.submit("plain", edit(), waits)
    worker.stop()
    assert isinstance(waits.error, StoppedError)
    with pytest.raises(StoppedError):
        worker.submit("plain", edit(), Heard())
    engine.may_go.set()
    assert levels(runs) == [50, 150]
    worker.join(10)


def test_models_are_loaded_when_asked_for_and_no_more_than_may_stay(started) -> None:
    worker, desk = started(one=Brightness(), two=Brightness())
    for name in ("one", "one", "two", "one"):
        heard = Heard()
        worker.submit(name, edit(), heard)
        assert levels(heard) == [50, 150]
    assert desk.loads == ["one", "two", "one"]


def test_an_engine_that_gives_nothing_is_an_error_and_not_the_end(started) -> None:
    class Empty(Brightness):
        def run(self, jobs: Sequence[EditJob]) -> Iterator[tuple[int, Progress | EngineResult]]:
            return iter(())

    worker, _ = started(empty=Empty())
    heard = Heard()
    worker.submit("empty", edit(), heard)
    assert "without a picture" in str(heard.error)


def test_each_device_has_a_worker() -> None:
    desks = [TestDesk(plain=Brightness()) for _ in range(2)]
    for desk in desks:
        desk.engines["plain"].may_go.clear()
    worker = Worker(desks)
    all_heard = [Heard() for _ in range(3)]
    for heard in all_heard:
        worker.submit("plain", edit(), heard)
    until(lambda: all(desk.engines["plain"].batches == [1] for desk in desks))
    assert (worker.num_running, worker.num_waiting) == (2, 1)
    for desk in desks:
        desk.engines["plain"].may_go.set()
    assert [levels(heard) for heard in all_heard] == [[50, 150]] * 3
    worker.stop()
    worker.join(10)


def test_a_worker_that_fails_goes_on(started, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, _ = started(plain=Brightness())
    group, failures = worker._group, [RuntimeError("a fault of ours")]

    def fail_once(jobs: Sequence[object]) -> object:
        if failures:
            raise failures.pop()
        return group(jobs)

    monkeypatch.setattr(worker, "_group", fail_once)
    first, second = Heard(), Heard()
    worker.submit("plain", edit(), first)
    assert "a fault of ours" in str(first.error)
    worker.submit("plain", edit(), second)
    assert levels(second) == [50, 150]


def test_a_licence_is_told_with_each_edit_and_other_remarks_to_the_log(tmp_path, caplog) -> None:
    model = tiny_qwen21.save_model(tmp_path / "mine")
    desk = Desk(Served({"mine": ModelChoice(str(model), device="cpu")}, "mine", "mine"))
    assert desk.model("mine").info.remarks == QWEN_21.remarks
    said = [record.message for record in caplog.records if record.name == "pixelsmile.web.models"]
    assert [line.partition(":")[0] for line in said] == ["the model mine"] * 2
    assert "for research and evaluation alone" in said[0]
    assert "no adapter" in said[1]


def test_a_model_that_cannot_be_loaded_says_no_path(tmp_path) -> None:
    folder = tmp_path / "mine"
    models = Served({"mine": ModelChoice(str(folder))}, "mine", "mine")
    worker = Worker([Desk(models)])
    heard = Heard()
    worker.submit("mine", edit(), heard)
    assert isinstance(heard.error, LoadingError)
    assert str(tmp_path) not in str(heard.error)
    worker.stop()
    worker.join(10)
