"""The routes over a socket: the openai library is the client, httpx where it has no word."""

import asyncio
import base64
import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from PIL import Image
from web.conftest import PHOTO, Running

from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import EditJob, EngineInfo, EngineResult, Progress
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.pictures import read_source
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import FaceFinder, stream_edit
from pixelsmile.provenance.watermark import marked
from pixelsmile.web.app import Limits, Server
from pixelsmile.web.metrics import Metrics
from pixelsmile.web.models import Desk, Loaded, Served
from pixelsmile.web.worker import Worker

EDITS = "/v1/images/edits"
KEY = "a-key-of-the-tests-1"


OPENED: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def sdk(run: Running, key: str = KEY) -> openai.OpenAI:
    OPENED.append(openai.OpenAI(base_url=f"{run.url}/v1", api_key=key, max_retries=0, timeout=60))
    return OPENED[-1]


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def post(run: Running, path: str = EDITS, image: bytes | None = None, **fields: Any) -> httpx2.Response:
    image = PHOTO.read_bytes() if image is None else image
    with run.client(headers={"Authorization": f"Bearer {KEY}"}) as http:
        return http.post(path, files={"image": image}, data=fields)


def events(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in text.strip().split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def portrait(level: float = 0.5) -> bytes:
    y, x = np.mgrid[0:64, 0:64] / 63.0
    pixels = np.stack([x, y, level + 0.5 * (1 - level) * np.sin(6 * x * y)], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray((255 * pixels).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


# What the openai library asks for


def test_an_edit_is_the_sessions(photographs: Running) -> None:
    with PHOTO.open("rb") as file:
        answer = sdk(photographs).images.edit(
            image=file, prompt="Make her look slightly surprised", model="geometric", quality="high"
        )
    source = read_source(PHOTO)
    editor = Editor.from_pretrained("geometric")
    faces = FaceFinder().choose(source)
    *_, result = stream_edit(editor, source, faces, [Request("surprised", strengths=(0.5,))])
    picture = decoded(answer.data[0].b64_json)
    assert np.array_equal(picture, marked(result.images[0]))
    settings = json.loads(picture.text["pixelsmile:settings"])
    assert (settings["model"], settings["request"], settings["strength"]) == ("geometric", "surprised", 0.5)
    assert settings["source_sha256"] == source.record.sha256
    assert (answer.size, answer.output_format) == ("300x300", "png")
    ours = answer.model_extra["pixelsmile"]
    assert ours["pictures"] == [{"label": "surprised", "strength": 0.5, "seed": 0, "size": "300x300"}]
    assert "the prompt was read as surprised at 0.5" in ours["notes"]
    assert "without a meaning here, not used: quality" in ours["notes"]


def test_our_fields_go_through_its_extra_body(photographs: Running) -> None:
    answer = sdk(photographs).images.edit(
        image=[PHOTO],
        prompt="",
        size="150x150",
        output_format="jpeg",
        output_compression=60,
        extra_body={"blend": {"happy": 0.6, "surprised": 0.4}, "strengths": [0, 1], "face": "largest"},
    )
    pictures = [decoded(one.b64_json) for one in answer.data]
    assert [(one.format, one.size) for one in pictures] == [("JPEG", (150, 150))] * 2
    made = answer.model_extra["pixelsmile"]["pictures"]
    assert [(one["label"], one["strength"]) for one in made] == [
        ("happy=0.6,surprised=0.4", 0.0),
        ("happy=0.6,surprised=0.4", 1.0),
    ]


def test_its_streams(photographs: Running) -> None:
    stream = sdk(photographs).images.edit(
        image=PHOTO, prompt="smile", stream=True, partial_images=1, extra_body={"strengths": [0.5, 1]}
    )
    seen = list(stream)
    assert [one.type for one in seen] == ["image_edit.partial_image"] * 2 + ["image_edit.completed"] * 2
    sizes = [decoded(one.b64_json).size for one in seen]
    assert sizes == [(195, 195)] * 2 + [(300, 300)] * 2  # a look shows the square around the face
    assert seen[0].partial_image_index == 0
    with pytest.raises(openai.BadRequestError, match="did you mean happy"):
        sdk(photographs).images.edit(image=PHOTO, prompt="x", stream=True, extra_body={"expression": "hapy"})


def test_its_errors(photographs: Running, tiny: Running) -> None:
    client = sdk(photographs)
    with pytest.raises(openai.BadRequestError, match="damaged, or no picture") as caught:
        client.images.edit(image=b"garbage", prompt="smile")
    assert (caught.value.param, caught.value.code) == ("image", "image_error")
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-image-2' here: use geometric"):
        client.images.edit(image=PHOTO, prompt="smile", model="gpt-image-2")
    with pytest.raises(openai.AuthenticationError, match="the key is missing or wrong"):
        sdk(tiny, "a-key-of-the-tests-2").images.edit(image=portrait(), prompt="smile")
    assert [model.id for model in client.models.list()] == ["geometric"]
    assert client.models.retrieve("geometric").owned_by == "pixelsmile"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


# What else there is


def test_sweeps(photographs: Running) -> None:
    answer = post(photographs, "/v1/images/sweeps", expression="happy", strengths="0,0.5")
    assert answer.headers["content-type"].startswith("text/event-stream")
    seen = list(events(answer.text))
    names = [name for name, _ in seen]
    assert names[-3:] == ["sweep.picture", "sweep.picture", "sweep.completed"]
    assert {"sweep.progress", "sweep.preview"} == set(names[:-3])
    assert [record["strength"] for name, record in seen if name == "sweep.preview"] == [0, 0.5]
    progress = [record for name, record in seen if name == "sweep.progress"]
    assert (progress[-1]["done"], progress[-1]["total"]) == (2, 2)
    assert [one["strength"] for one in seen[-1][1]["pictures"]] == [0, 0.5]


def test_faces_and_scores(photographs: Running) -> None:
    found = post(photographs, "/v1/faces").json()
    (face,) = found["faces"]
    assert (found["width"], found["detector"], face["number"]) == (300, "mesh", 1)
    scored = post(photographs, "/v1/scores", face=face["face"]).json()
    assert (scored["judge"], scored["shows"]) == ("photo", "happy")
    assert scored["scores"]["happy"] > 0.5
    assert scored["scores"]["shy"] is None  # which it does not judge
    grey = io.BytesIO()
    Image.new("RGB", (200, 200), "grey").save(grey, "PNG")
    without = post(photographs, "/v1/scores", image=grey.getvalue()).json()
    assert (without["scores"], without["reason"]) == (None, "unsuited")
    assert post(photographs, "/v1/faces", image=grey.getvalue()).json()["faces"] == []


@pytest.mark.parametrize(
    ("fields", "status", "param", "said"),
    [
        ({"prompt": "Put a hat on her"}, 400, "expression", "understands no prompt"),
        ({"prompt": "smile", "n": 2}, 400, "n", "the same picture from every seed"),
        ({"prompt": "smile", "size": "100x50"}, 400, "size", "use auto, or 100x100"),
        ({"prompt": "smile", "face": "4"}, 400, "face", "POST /v1/faces lists them"),
        ({"prompt": "smile", "steps": 3}, 400, None, "does not use steps"),
        ({"prompt": "smile", "domain": "anime"}, 400, "expression", "this model knows human"),
        ({}, 400, "prompt", "nothing to change"),
    ],
)
def test_refusals(photographs: Running, fields: dict, status: int, param: str | None, said: str) -> None:
    answer = post(photographs, **fields)
    error = error_of(answer)
    assert (answer.status_code, error["param"]) == (status, param)
    assert said in error["message"]
    assert "--" not in error["message"]


def test_limits(photographs: Running) -> None:
    large = io.BytesIO()
    Image.new("RGB", (1000, 600)).save(large, "PNG")
    answer = post(photographs, image=large.getvalue(), prompt="smile")
    assert (answer.status_code, error_of(answer)["param"]) == (400, "image")
    assert "more than the 500,000" in answer.text
    with photographs.client() as http:
        beyond = http.post(EDITS, files={"image": bytes(33 * 2**20)})
        assert (beyond.status_code, error_of(beyond)["code"]) == (413, "too_large")
        chunked = http.post(
            EDITS,
            content=iter([bytes(2**20)] * 33),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert chunked.status_code == 413
        assert http.post(EDITS, json={"image": "x"}).status_code == 415
        assert error_of(http.get("/v1/nothing"))["code"] == "not_found"
        assert http.get(EDITS).status_code == 405


def test_health_counters_and_the_page(photographs: Running) -> None:
    post(photographs, prompt="smile")
    with photographs.client() as http:
        assert http.get("/healthz").json() == {"status": "ok", "waiting": 0, "running": 0}
        counters = http.get("/metrics").text
        assert 'pixelsmile_answers_total{path="/v1/images/edits",status="200"}' in counters
        assert "pixelsmile_taken 0.0" in counters
        assert "pixelsmile_models_loaded 1.0" in counters
        paths = http.get("/openapi.json").json()["paths"]
        page = http.get("/", follow_redirects=True)  # what a person types
    assert page.url.path == "/docs"
    assert page.headers["content-type"].startswith("text/html")
    for said in (
        EDITS,
        "from 0 to 2",
        "curl -F image=@photo.jpg",
        "geometric</code> (photographs",
        "429 too many",
    ):
        assert said in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text
    fields = paths[EDITS]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"image", "prompt", "blend", "strengths", "stream"} <= set(fields)
    assert fields["blend"]["examples"] == ["happy=0.6,surprised=0.4"]


# A model that makes batches, in a folder, behind a key


def test_clients_share_batches_and_get_what_they_get_alone(tiny: Running) -> None:
    pictures = [portrait(0.2 * number) for number in range(5)]
    alone = [
        post(tiny, image=one, expression="happy", face="whole", strengths="0.5,1", steps=2)
        for one in pictures
    ]

    def hold(_: object) -> Iterator[object]:
        assert let.wait(20)
        yield None

    let = threading.Event()
    worker = tiny.server.worker
    worker.submit(None, hold, lambda _: None)
    with ThreadPoolExecutor(5) as clients:
        waiting = [
            clients.submit(
                post, tiny, image=one, expression="happy", face="whole", strengths="0.5,1", steps=2
            )
            for one in pictures
        ]
        while worker.num_waiting < 5:
            time.sleep(0.01)
        let.set()
        together = [one.result() for one in waiting]
    with tiny.client() as http:
        assert 'pixelsmile_batch_edits_bucket{le="4.0"} 5.0' in http.get("/metrics").text  # then one of 5
    for one, other in zip(alone, together, strict=True):
        for mine, theirs in zip(one.json()["data"], other.json()["data"], strict=True):
            pair = [np.asarray(decoded(each["b64_json"]), np.int16) for each in (mine, theirs)]
            assert np.abs(pair[0] - pair[1]).max() <= 1


def test_seeds_and_words_of_a_model_that_takes_them(tiny: Running, model_folder: Path) -> None:
    answer = post(tiny, image=portrait(), face="whole", prompt="Put a hat on her", n=2, seed=3, steps=1)
    assert [one["seed"] for one in answer.json()["pixelsmile"]["pictures"]] == [3, 4]
    first, second = (one["b64_json"] for one in answer.json()["data"])
    assert first != second
    settings = json.loads(decoded(first).text["pixelsmile:settings"])
    assert settings["target_prompts"] == ["Put a hat on her"]
    everything = answer.text + json.dumps(settings)
    assert str(model_folder) not in everything
    assert "/" not in settings["model"]
    failed = post(tiny, image=portrait(), face="whole", units="jaw_drop=0.4")
    assert "the model tiny takes no action units" in failed.json()["error"]["message"]
    assert str(model_folder.parent) not in failed.text


def test_looks_on_the_way_of_a_diffusion(tiny: Running) -> None:
    answer = post(
        tiny,
        "/v1/images/sweeps",
        image=portrait(),
        face="whole",
        expression="happy",
        strengths="0,1",
        steps=4,
    )
    previews = [record for name, record in events(answer.text) if name == "sweep.preview"]
    assert [(one["strength"], one["partial_image_index"]) for one in previews] == [(0, 0), (1, 0)]
    assert decoded(previews[0]["b64_json"]).format == "JPEG"


# A model that takes as long as it is told to


class Slow:
    """Gives its picture back as it is, when it may."""

    multiple_px = 1
    info = EngineInfo("slow", "cpu", "float32", 64, 1)

    def __init__(self) -> None:
        self.began, self.may_go, self.ended = (threading.Event() for _ in range(3))

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        self.began.set()
        try:
            for step in range(10_000):
                if self.may_go.wait(0.01):
                    break
                yield Progress("denoise", step, 10_000)
            yield EngineResult([[job.image]], ("all",), (1.0,), 1)
        finally:
            self.ended.set()


class SlowDesk(Desk):
    engine: Slow

    def _load(self, name: str) -> Loaded:
        return Loaded(self.engine, self.engine.info)


@pytest.fixture
def slow(serve: Callable[[Server], Running]) -> Iterator[Callable[..., tuple[Slow, Running]]]:
    engines: list[Slow] = []

    def start(**limits: Any) -> tuple[Slow, Running]:
        models, metrics = Served({"slow": ModelChoice("slow")}, "slow", "slow"), Metrics()
        desk = SlowDesk(models)
        desk.engine = Slow()
        engines.append(desk.engine)
        return desk.engine, serve(Server(models, Worker([desk]), metrics, Limits(**limits)))

    yield start
    for engine in engines:
        engine.may_go.set()


def ask(run: Running, **fields: Any) -> httpx2.Response:
    return post(run, image=portrait(), expression="happy", face="whole", **fields)


def test_a_full_server_says_when_to_ask_again(slow: Callable[..., tuple[Slow, Running]]) -> None:
    engine, run = slow(max_queue=2)
    with ThreadPoolExecutor(2) as clients:
        taken = [clients.submit(ask, run) for _ in range(2)]
        while run.server.slots.taken < 2:
            time.sleep(0.01)
        refused = ask(run)
        assert (refused.status_code, error_of(refused)["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        with pytest.raises(openai.RateLimitError):
            sdk(run).images.edit(image=portrait(), prompt="smile")
        engine.may_go.set()
        assert [one.result().status_code for one in taken] == [200, 200]
    assert ask(run).status_code == 200


@pytest.mark.parametrize("path", [EDITS, "/v1/images/sweeps"])
def test_who_leaves_frees_the_device(slow: Callable[..., tuple[Slow, Running]], path: str) -> None:
    engine, run = slow()

    async def leave() -> None:
        async with httpx2.AsyncClient(base_url=run.url, trust_env=False) as http:
            asking = asyncio.create_task(
                http.post(path, files={"image": portrait()}, data={"expression": "happy", "face": "whole"})
            )
            while not engine.began.is_set():
                await asyncio.sleep(0.01)
            asking.cancel()

    asyncio.run(leave())
    assert engine.ended.wait(10)
    while run.server.slots.taken:
        time.sleep(0.01)
    engine.may_go.set()
    assert ask(run).status_code == 200


def test_what_takes_too_long_ends(slow: Callable[..., tuple[Slow, Running]]) -> None:
    engine, run = slow(timeout_s=0.3)
    answer = ask(run)
    assert (answer.status_code, error_of(answer)["code"]) == (504, "timeout")
    assert engine.ended.wait(10)
    assert list(events(ask(run, stream="true").text))[-1][1]["error"]["code"] == "timeout"


def test_a_failure_of_the_server_is_told_without_its_reason(
    slow: Callable[..., tuple[Slow, Running]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(job: EditJob) -> Iterator[Progress | EngineResult]:
        raise RuntimeError("at /home/somebody/secret")

    engine, run = slow()
    monkeypatch.setattr(engine, "stream", broken)
    answer = ask(run)
    assert (answer.status_code, error_of(answer)["type"]) == (500, "server_error")
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_a_stop_finishes_what_runs(slow: Callable[..., tuple[Slow, Running]]) -> None:
    engine, run = slow()
    with ThreadPoolExecutor(2) as clients:
        runs = clients.submit(ask, run)
        assert engine.began.wait(10)
        waits = clients.submit(ask, run)
        while not run.server.worker.num_waiting:
            time.sleep(0.01)
        run.http.handle_exit(signal.SIGTERM, None)
        stopped = waits.result()
        late = ask(run)
        for answer in (stopped, late):
            assert (answer.status_code, error_of(answer)["code"]) == (503, "stopping")
            assert int(answer.headers["retry-after"]) >= 1
        assert late.headers["connection"] == "close"
        with run.client() as http:
            assert http.get("/healthz").status_code == 503
        engine.may_go.set()
        assert runs.result().status_code == 200


def test_nothing_of_a_picture_or_its_words_is_logged(
    photographs: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pixelsmile.web")
    with photographs.client() as http:
        http.post(
            EDITS, files={"image": ("my-holiday.jpg", PHOTO.read_bytes())}, data={"prompt": "Amelie, smile"}
        )
    until = time.monotonic() + 10
    while not caplog.text and time.monotonic() < until:  # the line follows the answer
        time.sleep(0.01)
    assert f"POST {EDITS} 200" in caplog.text
    assert "Amelie" not in caplog.text
    assert "holiday" not in caplog.text


# The command


def test_the_command_serves_until_a_signal(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# of the tests\na-key-of-the-tests-1\n")
    command = [sys.executable, "-m", "pixelsmile", "serve", "--port", "0", "--model", "geometric"]
    process = subprocess.Popen([*command, "--key-file", str(keys)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = process.stderr.readline().split(" at ")[1].split()[0]
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        assert http.get("/v1/models").status_code == 401
        found = http.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"})
        assert [one["id"] for one in found.json()["data"]] == ["geometric"]
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopping" in rest
