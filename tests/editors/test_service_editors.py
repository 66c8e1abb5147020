"""Editors behind the services: runs over bad servers, runs that are killed, what a service would not give."""

import asyncio
import base64
import io
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
from benchmarks.quick_benchmark import QUICK, UNREADABLE
from editors.editor_examples import a_task, sweep
from editors.test_remote_editor import run
from image_server import KEYS, PRICE, TRANSPORT, ImageServer
from model_examples import HASTE
from model_server import SayingServer, at_random, in_turn
from PIL import Image, ImageOps

from pixelsmile.editors.editor import EditorStoppedError
from pixelsmile.editors.remote import RemoteEditor, RemoteSettings
from pixelsmile.editors.services import JOBS_NAME, provider_of
from pixelsmile.editors.table import image_services
from pixelsmile.errors import InputError
from pixelsmile.remote import Budget

MODELS = {
    "openai-images": ("gpt-image-1.5", "/v1", "OPENAI_API_KEY"),
    "gemini-images": ("gemini-3-pro-image", "", "GEMINI_API_KEY"),
    "bfl": ("flux-2-pro", "", "BFL_API_KEY"),
    "ark": ("seedream-4-5-251128", "/api/v3", "ARK_API_KEY"),
    "replicate": ("bytedance/seededit-3.0", "/v1", "REPLICATE_API_TOKEN"),
}
NUM_READABLE = sum(task.source != UNREADABLE for task in QUICK.tasks)
GREY = Image.new("RGB", (40, 40), (90, 90, 90))


@pytest.fixture(autouse=True)
def all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    monkeypatch.setattr("pixelsmile.remote.jobs.FIRST_WAIT_S", 0.01)


def editor_at(kind: str, url: str, folder: Path, budget: Budget | None = None) -> RemoteEditor:
    model, version, key_env = MODELS[kind]
    settings = RemoteSettings(key_env=key_env, timeout_s=5.0, price=PRICE)
    provider = provider_of(kind, f"{model}@{url}{version}", settings, folder)
    return RemoteEditor(provider, folder, budget=budget, retry=HASTE)


def test_every_service_is_tried_here():
    assert set(MODELS) == set(image_services())


@pytest.mark.parametrize("kind", MODELS)
def test_a_run_over_a_bad_server(kind, tmp_path):
    later = at_random(0.3, TRANSPORT)
    with ImageServer(at_random(0.3, TRANSPORT), 0.01, later=later) as server:
        counts = run(tmp_path / "run", editor_at(kind, server.url, tmp_path))
        assert counts == {"made": NUM_READABLE, "picture 'c' is damaged: copy it again": 4}
        assert run(tmp_path / "again", editor_at(kind, server.url, tmp_path)) == counts
    assert set(server.answered.values()) == {4}, "a picture with four targets is paid for four times"
    texts = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert not any(key in texts for key in KEYS.values())


@pytest.mark.parametrize("kind", ["bfl", "replicate"])
def test_a_run_that_was_killed_pays_for_no_job_twice(kind, tmp_path):
    """A child process asks for one edit, and is killed while its job is at work."""
    with ImageServer(latency_s=1.0) as server:
        pid = os.fork()
        if pid == 0:
            sweep(editor_at(kind, server.url, tmp_path), a_task(), GREY, (1.0,))
            os._exit(0)
        asyncio.run(_until(lambda: any(job.polls for job in server.jobs.values())))
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        assert len((tmp_path / JOBS_NAME).read_text().splitlines()) == 1
        with asyncio.Runner() as runner:
            editor = editor_at(kind, server.url, tmp_path, Budget(max_cost=Decimal(0)))
            (edited,) = sweep(editor, a_task(), GREY, (1.0,), 0, runner)
            runner.run(editor.close())
    assert edited.image is not None
    assert edited.image.tobytes() == ImageOps.invert(GREY).tobytes()
    assert server.met == {"good": 1}


async def _until(holds) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "fault", "failure"),
    [
        ("gemini-images", "moderated", "unscored: refused (blockReason PROHIBITED_CONTENT)"),
        ("gemini-images", "text", "unscored: empty (it drew nothing, and said 'I cannot edit photographs"),
        ("bfl", "moderated", "unscored: refused (Request Moderated: "),
        ("bfl", "withheld", "unscored: refused (Content Moderated: "),
        ("ark", "moderated", "unscored: refused (400: The request failed because the input image"),
        ("ark", "withheld", "unscored: refused (OutputImageSensitiveContentDetected: "),
        ("replicate", "moderated", "unscored: refused (The input or output was flagged as sensitive."),
    ],
)
def test_what_a_service_would_not_give_is_unscored(kind, fault, failure, tmp_path):
    with ImageServer(lambda digest, nth: fault) as server, asyncio.Runner() as runner:
        editor = editor_at(kind, server.url, tmp_path)
        (made,) = sweep(editor, a_task(), GREY, (1.0,), 0, runner)
        runner.run(editor.close())
    assert made.image is None
    assert made.failure is not None
    assert made.failure.startswith(failure)


def test_a_damaged_picture_is_asked_for_again_and_not_kept(tmp_path):
    """A download that ends too soon, as if it were whole: the job is not paid for again."""
    later = in_turn("broken body")
    downloads = ImageServer(later=lambda path, nth: later(path, nth) if "/files/" in path else None)
    with downloads as server, asyncio.Runner() as runner:
        editor = editor_at("bfl", server.url, tmp_path)
        (made,) = sweep(editor, a_task(), GREY, (1.0,), 0, runner)
        runner.run(editor.close())
    assert made.image is not None
    assert (server.met, len(server.downloads)) == ({"good": 1}, 2)


def encoded(*frames: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=len(frames) > 1, append_images=frames[1:])
    return file.getvalue()


OTHER = Image.new("RGB", (40, 40), (0, 90, 0))
NO_PICTURE = "unscored: malformed (what it sent is no PNG, JPEG or WebP picture: it"


@pytest.mark.parametrize(
    ("sent", "failure"),
    [
        (encoded(GREY, OTHER), "unscored: malformed (what it sent holds several frames or pages"),
        (encoded(GREY, OTHER, kind="WEBP"), "unscored: malformed (what it sent holds several frames"),
        (encoded(GREY, kind="GIF"), f"{NO_PICTURE} begins 'GIF87a"),
        (b"I will not.", f"{NO_PICTURE} begins 'I will not.')"),
        (encoded(GREY)[:-30], "unscored: malformed (what it sent "),
        (b"", f"{NO_PICTURE} is empty)"),
    ],
)
def test_what_is_no_picture_is_unscored_and_not_kept(sent, failure, tmp_path):
    body = json.dumps({"data": [{"b64_json": base64.b64encode(sent).decode()}]}).encode()
    with SayingServer(lambda request, nth: (200, {}, body)) as server, asyncio.Runner() as runner:
        for count in (12, 24):
            editor = editor_at("openai-images", server.url, tmp_path)
            (made,) = sweep(editor, a_task(), GREY, (1.0,), 0, runner)
            runner.run(editor.close())
            assert made.image is None
            assert made.failure is not None
            assert made.failure.startswith(failure)
            assert server.num_requests == count


def test_an_edit_may_have_another_size(tmp_path):
    body = json.dumps({"data": [{"b64_json": base64.b64encode(encoded(GREY.resize((90, 60)))).decode()}]})
    with SayingServer(lambda request, nth: (200, {}, body.encode())) as server, asyncio.Runner() as runner:
        editor = editor_at("openai-images", server.url, tmp_path)
        (made,) = sweep(editor, a_task(), GREY, (1.0,), 0, runner)
        runner.run(editor.close())
    assert made.image is not None
    assert made.image.size == (90, 60)


@pytest.mark.parametrize("kind", MODELS)
def test_the_budget_is_kept_to_the_cent_by_a_bad_server(kind, tmp_path):
    budget = Budget(max_cost=Decimal("0.30"))
    with ImageServer(at_random(0.3, ("429", "500")), 0.01, later=at_random(0.3, TRANSPORT)) as server:
        with pytest.raises(EditorStoppedError, match=r"0\.28 of 0\.30 dollars"):
            run(tmp_path / "run", editor_at(kind, server.url, tmp_path, budget))
        assert server.met["good"] == 7
        assert budget.spending.used.cost == 7 * PRICE
        assert run(tmp_path / "run", editor_at(kind, server.url, tmp_path))["made"] == NUM_READABLE
        assert server.met["good"] == NUM_READABLE


def test_a_budget_of_money_needs_a_price(tmp_path):
    settings = RemoteSettings(key_env="BFL_API_KEY", max_cost=Decimal(1))
    with pytest.raises(InputError, match="give the most that one may cost as price"):
        provider_of("bfl", "m@http://localhost:1", settings, tmp_path)
