"""Keys, the names of models, and answers that clients read slowly."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.types import Message, Scope

from pixelsmile.editing.edit_files import EditResult, OutputFormat
from pixelsmile.editing.folders import EMBEDDED, GEOMETRIC
from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.editing.pictures import open_source
from pixelsmile.errors import InputError, ModelError
from pixelsmile.provenance.watermark import marked
from pixelsmile.web.answers import ApiError, own_fault, person_file, refusal
from pixelsmile.web.gate import Gate, Keys, Slots
from pixelsmile.web.metrics import Metrics
from pixelsmile.web.models import LoadingError, served


def test_keys_open_with_a_bearer_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\n\n0123456789abcdef\n  another-key-of-ours  \n")
    keys = Keys.read(file)
    assert keys.open_with("Bearer 0123456789abcdef")
    assert keys.open_with("bearer another-key-of-ours")
    for wrong in ("", "Bearer", "Bearer ", "0123456789abcdef", "Basic 0123456789abcdef", "Bearer # ours"):
        assert not keys.open_with(wrong)
    file.write_text("a key with blanks\n")
    with pytest.raises(InputError, match="key 1"):
        Keys.read(file)


def test_what_models_are_called(model_folder: Path) -> None:
    models = served([f"mine={model_folder}", str(model_folder), GEOMETRIC], ModelChoice(device="cpu"))
    assert list(models.choices) == ["mine", "tiny", GEOMETRIC]
    assert models.choices["mine"].model == models.choices["tiny"].model == str(model_folder)
    assert models.choices[GEOMETRIC].device is None  # which is not placed
    assert models.name(None, drawn=True) == models.name(None, drawn=False) == "mine"
    with pytest.raises(ModelError, match="there is no model 'other' here: use mine, tiny, geometric"):
        models.name("other", drawn=False)
    usual = served([], ModelChoice(device="cpu"))
    assert (usual.name(None, drawn=False), usual.name(None, drawn=True)) == (GEOMETRIC, EMBEDDED)


def ask(app: object, sent: list[Message], **scope: object) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asked: Scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": [], **scope}
    asyncio.run(Gate(app, Metrics(), None, 100)(asked, receive, send))  # type: ignore[arg-type]


def test_an_answer_goes_out_in_pieces() -> None:
    body = bytes(range(256)) * 4000

    async def app(scope: Scope, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

    sent: list[Message] = []
    ask(app, sent)
    pieces = sent[1:]
    assert b"".join(piece["body"] for piece in pieces) == body
    assert max(len(piece["body"]) for piece in pieces) <= 2**18
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]


def test_a_slot_comes_back_however_a_request_ends() -> None:
    slots = Slots(1)

    async def app(scope: Scope, receive: object, send: object) -> None:
        slots.take(scope, 3.2)
        with pytest.raises(ApiError) as caught:
            slots.take({}, 3.2)
        assert caught.value.headers == {"Retry-After": "3"}
        raise RuntimeError("broken")

    sent: list[Message] = []
    ask(app, sent)
    assert (sent[0]["status"], slots.taken) == (500, 0)


def test_what_is_larger_is_refused_before_it_is_read() -> None:
    sent: list[Message] = []
    ask(None, sent, headers=[(b"content-length", b"101")])
    assert sent[0]["status"] == 413


def test_files_are_scaled_marked_or_left_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    edited, source = Image.fromarray(pixels), open_source(Image.new("RGB", (96, 96)))
    settings = {"strengths": [1.0], "weights": [[1.0]], "model": GEOMETRIC}
    result = EditResult("happy", [edited], (1.0,), settings, source)

    def written(mark: bool, size: tuple[int, int] | None = None) -> np.ndarray:
        with Image.open(io.BytesIO(person_file(result, 0, OutputFormat(mark=mark), size))) as image:
            return np.asarray(image)

    assert np.array_equal(written(mark=False), pixels)
    assert np.array_equal(written(mark=True), marked(edited))
    assert not np.array_equal(written(mark=True), pixels)
    assert written(mark=True, size=(48, 48)).shape == (48, 48, 3)


def test_what_clients_are_told_of_errors() -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch calls it."""

    assert own_fault(OutOfMemoryError("...")).code == "out_of_memory"
    assert refusal(ModelError("at /home/somebody")) is None  # the server's own, and no business of theirs
    told = refusal(LoadingError("the model x cannot be loaded here"))
    assert told is not None
    assert told.status == 503
