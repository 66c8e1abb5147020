"""Grids are told from edits, and stay unscored."""

import asyncio
import base64
import io
import json
from pathlib import Path

import pytest
from editors.editor_examples import a_task, sweep
from editors.test_service_editors import editor_at
from image_server import KEYS
from model_server import SayingServer
from PIL import Image

from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.grids import is_grid
from pixelsmile.expressions import DOMAINS

EXPRESSIONS = ("happy", "sad", "angry", "surprised")
PHOTO = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


def sheet(*pictures: Image.Image, columns: int) -> Image.Image:
    width, height = pictures[0].size
    made = Image.new("RGB", (columns * width, len(pictures) // columns * height))
    for index, picture in enumerate(pictures):
        made.paste(picture, (index % columns * width, index // columns * height))
    return made


def drawn(seed: int, domain: str) -> list[Image.Image]:
    return [DrawnPortrait(seed, domain, name, 1.0, 0, 96).load() for name in EXPRESSIONS]


def test_edits_are_no_grids_and_grids_are():
    photo = Image.open(PHOTO).convert("RGB")
    people = [drawn(seed, domain) for seed in range(8) for domain in DOMAINS]
    for edits in (*people, [photo.rotate(angle) for angle in (0, 1, 2, 3)]):
        source = edits[1]
        assert not any(is_grid(edit, source) for edit in edits)
        assert not is_grid(edits[0].resize((edits[0].width * 2, edits[0].height)), source)
        assert is_grid(sheet(*edits, columns=2), source)
        assert is_grid(sheet(*edits[:2], columns=2), source)
        assert is_grid(sheet(*edits[:2], columns=1), source)
        assert not is_grid(sheet(*edits, columns=2), sheet(*edits, columns=2)), "the source is one"
    assert not is_grid(Image.new("RGB", (64, 64)), photo)


def test_a_grid_is_unscored_and_not_paid_twice(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEYS["OPENAI_API_KEY"])
    edits = drawn(3, "human")
    file = io.BytesIO()
    sheet(*edits, columns=2).save(file, "PNG")
    body = json.dumps({"data": [{"b64_json": base64.b64encode(file.getvalue()).decode()}]}).encode()
    with SayingServer(lambda request, nth: (200, {}, body)) as server:
        for _ in range(2):
            with asyncio.Runner() as runner:
                editor = editor_at("openai-images", server.url, tmp_path)
                (made,) = sweep(editor, a_task(), edits[1], (1.0,), 0, runner)
                runner.run(editor.close())
            assert made.image is None
            assert made.failure == "unscored: malformed (a grid of several pictures came, 192 x 192 px)"
        assert server.num_requests == 1
