"""An editor behind an address: edits, failures with their reasons, and nothing paid for twice."""

import asyncio
import io
import socket
from decimal import Decimal
from pathlib import Path

import pytest
from benchmarks.quick_benchmark import QUICK, UNREADABLE
from editors.editor_examples import a_task, sweep
from model_examples import HASTE, OPENAI_KEY, png_of
from model_server import JudgeServer, SayingServer, at_random, in_turn, negative, refusal
from PIL import Image

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.editors.editor import EditorStoppedError, EditOutcome, Task
from pixelsmile.editors.remote import CACHE_NAME, MAX_UNREACHED, RemoteEditor, RemoteSettings
from pixelsmile.editors.services import provider_of
from pixelsmile.errors import InputError
from pixelsmile.remote import Budget, Provider, RemoteError, RetryPolicy

KEYED = RemoteSettings(key_env="OPENAI_API_KEY", timeout_s=5.0, price=Decimal("0.04"))
PICTURE = Image.open(io.BytesIO(png_of(0))).convert("RGB")
TWICE = RetryPolicy(max_requests=2, max_answers=2, base_s=0.001)
NUM_TASKS = len(QUICK.tasks)
NUM_READABLE = sum(task.source != UNREADABLE for task in QUICK.tasks)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)


def openai(named: str, settings: RemoteSettings) -> Provider:
    return provider_of("openai-images", named, settings, Path("nowhere"))


def editor_at(
    url: str, folder: Path, budget: Budget | None = None, retry: RetryPolicy = HASTE
) -> RemoteEditor:
    return RemoteEditor(openai(f"m@{url}/v1", KEYED), folder, budget=budget, retry=retry)


def one_edit(url: str, folder: Path, task: Task, strength: float = 1.0) -> EditOutcome:
    with asyncio.Runner() as runner:
        editor = editor_at(url, folder)
        (outcome,) = sweep(editor, task, PICTURE, (strength,), 0, runner)
        runner.run(editor.close())
    return outcome


def run(folder: Path, editor: RemoteEditor) -> dict[str, int]:
    """How many edits there are of each reason; made ones are `made`."""
    with RunFolder.claimed(folder) as claim:
        for _ in run_edits(QUICK, editor, claim, "general", (1.0,)):
            pass
    counts: dict[str, int] = {}
    for record in RunFolder(folder).edits().values():
        reason = "made" if record.failure is None else record.failure.partition(" (")[0]
        counts[reason] = counts.get(reason, 0) + 1
    return counts


def test_an_edit_is_paid_for_once(tmp_path):
    with JudgeServer() as server:
        for _ in range(2):
            made = one_edit(server.url, tmp_path, a_task())
            wanted = Image.open(io.BytesIO(negative(png_of(0))))
            assert made.image is not None
            assert made.image.tobytes() == wanted.convert("RGB").tobytes()
        assert server.met == {"good": 1}
        one_edit(server.url, tmp_path, a_task(prompt="frown"))
        assert server.met == {"good": 2}
        half = one_edit(server.url, tmp_path, a_task(), 0.5)
        assert half.failure == "the model takes no strength: ask at strength 1"


def test_a_run_writes_down_what_it_has_spent(tmp_path):
    """Nothing the second time, as all is kept; a line more for a call that asks again."""
    with JudgeServer() as server:
        for _ in range(2):
            run(tmp_path / "run", editor_at(server.url, tmp_path / "run"))
        spent = RunFolder(tmp_path / "run").spending()
    assert [line.num_requests for line in spent] == [sum(server.met.values())]
    assert spent[0].dollars == Decimal("0.04") * server.met["good"]


def test_who_asks_the_same_at_the_same_time_waits(tmp_path):
    async def both(url: str) -> list[EditOutcome]:
        editor = editor_at(url, tmp_path)

        async def one() -> EditOutcome:
            (outcome,) = [outcome async for outcome in editor.edit(a_task(), PICTURE, (1.0,), 0)]
            return outcome

        try:
            return await asyncio.gather(one(), one())
        finally:
            await editor.close()

    with JudgeServer(latency_s=0.05) as server:
        first, second = asyncio.run(both(server.url))
        assert server.met == {"good": 1}
    assert first.image.tobytes() == second.image.tobytes()


def test_the_record_has_no_key(tmp_path):
    settings = RemoteSettings(key_env="OPENAI_API_KEY", size="auto")
    record = RemoteEditor(openai("a:b@http://localhost:1/v1", settings), tmp_path).to_record()
    assert (record["kind"], record["name"]) == ("openai-images", "a:b")
    assert record["parameters"]["server"] == "localhost"
    assert OPENAI_KEY not in str(record)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RemoteError, match="is no URL"):
        openai("m@http://", settings)


def test_a_run_over_a_bad_server(tmp_path):
    faults = ("429", "500", "closed", "two pictures", "half a body")
    with JudgeServer(at_random(0.3, faults)) as server:
        counts = run(tmp_path / "run", editor_at(server.url, tmp_path))
        assert counts == {
            "made": NUM_READABLE,
            "picture 'c' is damaged: copy it again": NUM_TASKS - NUM_READABLE,
        }
        good = server.met["good"]
        assert run(tmp_path / "again", editor_at(server.url, tmp_path)) == counts
        assert server.met["good"] == good  # the cache has them all


def test_strengths_are_refused_before_anything_is_asked(tmp_path):
    with (
        JudgeServer() as server,
        RunFolder.claimed(tmp_path / "run") as claim,
        pytest.raises(InputError, match=r"takes no strength: .* --setting general"),
    ):
        next(run_edits(QUICK, editor_at(server.url, tmp_path), claim, "linear", (0.0, 1.0)))
    assert server.met == {}


def test_what_the_server_refuses_is_unscored(tmp_path):
    def say(request, nth):
        return refusal(400, "rejected by our safety system", code="moderation_blocked")

    with SayingServer(say) as server:
        made = one_edit(server.url, tmp_path, a_task())
        assert (made.image, made.failure) == (None, "unscored: refused (400: rejected by our safety system)")
        with pytest.raises(EditorStoppedError, match=r"\d questions in a row .*then run this again"):
            run(tmp_path / "run", editor_at(server.url, tmp_path))
    refused = [record.failure for record in RunFolder(tmp_path / "run").edits().values()]
    assert "unscored: refused (400: rejected by our safety system)" in refused


def test_a_spent_budget_ends_the_run_and_keeps_what_was_paid(tmp_path):
    budget = Budget(max_cost=Decimal("0.20"))
    with JudgeServer() as server:
        with pytest.raises(EditorStoppedError, match=r"budget is spent: .* 0\.20 of 0\.20 dollars"):
            run(tmp_path / "run", editor_at(server.url, tmp_path, budget))
        made = [record for record in RunFolder(tmp_path / "run").edits().values() if record.file]
        assert len(made) == server.met["good"] == 5
        assert run(tmp_path / "run", editor_at(server.url, tmp_path))["made"] == NUM_READABLE
        assert server.met["good"] == NUM_READABLE


def test_a_wrong_key_ends_the_run(tmp_path):
    with (
        SayingServer(lambda request, nth: refusal(401, "no such key")) as server,
        pytest.raises(EditorStoppedError, match="the editor 'm' at localhost cannot be asked"),
    ):
        run(tmp_path / "run", editor_at(server.url, tmp_path))
    assert RunFolder(tmp_path / "run").edits() == {}


def test_a_server_that_is_gone_ends_the_run_and_one_that_is_back_does_the_rest(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:  # nobody listens on a port that was just given back
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(EditorStoppedError) as stopped:
        run(tmp_path / "run", editor_at(gone, tmp_path, retry=TWICE))
    said = str(stopped.value)
    assert said.startswith("the editor 'm' at localhost was not reached for 3 edits in a row (ConnectError: ")
    assert said.endswith("): see that it runs, then run this again for the rest")
    failures = [record.failure or "" for record in RunFolder(tmp_path / "run").edits().values()]
    assert sum(failure.startswith("unscored: unreachable (") for failure in failures) == MAX_UNREACHED - 1
    with JudgeServer() as server:
        assert run(tmp_path / "run", editor_at(server.url, tmp_path))["made"] == NUM_READABLE


def test_only_a_row_of_silence_ends_the_run(tmp_path):
    silent = iter([*["closed"] * 4, None, *["closed"] * 4])  # two tasks, one that is answered, two more

    def decide(digest: str, nth: int) -> str | None:
        return next(silent, None)

    with JudgeServer(decide) as server:
        editor = editor_at(server.url, tmp_path, retry=TWICE)
        editor.max_concurrency = 1
        made = run(tmp_path / "run", editor)
    assert made["unscored: unreachable"] == 4
    assert made["made"] == NUM_READABLE - 4


def test_what_never_comes_is_unscored(tmp_path):
    with JudgeServer(in_turn(*["no images"] * 12)) as server:
        made = one_edit(server.url, tmp_path, a_task())
    assert made.failure is not None
    assert made.failure.startswith("unscored: empty (")
    assert CACHE_NAME in [path.name for path in tmp_path.iterdir()]
