"""`pixelsmile edit --editor`: a command, a service and a stock pipeline in the place of our engine."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from editors.tiny_pipelines import save
from image_server import KEYS, ImageServer
from PIL import Image

from pixelsmile.cli import main

EDITOR = """
import json, sys
from PIL import Image, ImageDraw
for line in sys.stdin:
    job = json.loads(line)
    picture = Image.open(job["source_path"])
    width, height = picture.size
    spot = [0.4 * width, 0.4 * height, 0.6 * width, 0.6 * height]
    if job["strength"]:
        ImageDraw.Draw(picture).rectangle(spot, fill=(255, 0, 0))
    picture.save(job["out_path"])
    print(json.dumps({"job": job["job"], "ok": True, "words": job["prompt"]}), flush=True)
"""
BOX = "20,20,60,60"


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture whose faces nobody looks for: --face is a box, or whole."""
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[0:100, 0:120] / 120
    pixels = (200 * np.stack([x, y, 0.5 + 0.5 * np.sin(5 * x * y)], -1)).astype(np.uint8)
    Image.fromarray(pixels).save("photo.png")
    Path("editor.py").write_text(EDITOR)
    return Path("photo.png")


def edit(words: str, *more: str) -> int:
    return main(["edit", "photo.png", *words.split(), *more])


def error(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pixelsmile: ")]
    assert len(lines) == 1
    return lines[0]


def test_a_command_sweeps_a_face_and_the_rest_stays(photo, capsys):
    command = f"command:{sys.executable} editor.py"
    assert edit(f"-e happy -s 0,1 --face {BOX} -o made --size 64 --no-mark --json", "--editor", command) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["model"] == command
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open("made/happy-1.00.png"))
    assert (before[:10] == after[:10]).all()
    assert np.abs(before[46:54, 46:54].astype(int) - after[46:54, 46:54]).mean() > 20
    manifest = json.loads(Path("made/manifest.json").read_text())
    assert "editor.py" in json.dumps(manifest)
    assert '"kind": "command"' in json.dumps(manifest)


def test_a_service_is_asked_once_and_paid_once(photo, capsys, monkeypatch):
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    with ImageServer() as server:
        words = f"--size 64 --force --key-env GEMINI_API_KEY --editor gemini-images:m@{server.url}"
        for is_kept in (False, True):
            assert edit(f"-e happy --face whole {words} -o made") == 0
            assert ("nothing was asked: it made this before" in capsys.readouterr().err) == is_kept
        assert server.met == {"good": 1}
    assert [path.name for path in sorted(Path("made").iterdir())] == ["happy-1.00.png", "manifest.json"]
    assert Image.open("made/happy-1.00.png").size == (120, 100)
    texts = "".join(path.read_bytes().decode("latin-1") for path in Path().rglob("*") if path.is_file())
    assert not any(key in texts for key in KEYS.values())


def test_a_refusal_is_one_line_and_leaves_nothing(photo, capsys, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEYS["GEMINI_API_KEY"])
    with ImageServer(lambda digest, nth: "moderated") as server:
        words = f"-e happy --face whole --key-env GEMINI_API_KEY --editor gemini-images:m@{server.url}"
        assert edit(f"{words} -o made") == 1
    assert "made no edit at strength 1: refused (" in (line := error(capsys))
    assert line.endswith(": show it another picture, or give --prompt in other words")
    assert not Path("made").exists()


def test_a_model_of_one_name_is_another_at_another_address(photo, capsys):
    words = "--size 64 --force -e happy --face whole -o made --editor"
    for _ in range(2):
        with ImageServer() as server:
            assert edit(f"{words} openai-images:m@{server.url}/v1") == 0
            assert server.met == {"good": 1}


@pytest.mark.parametrize(("size", "is_taken"), [((96, 96), True), ((98, 96), True), ((60, 90), False)])
@pytest.mark.parametrize("face", [BOX, "whole"])
def test_an_edit_has_the_form_of_its_source_or_is_none(size, is_taken, face, photo, capsys):
    program = EDITOR.replace(
        "picture.save(", "picture.resize((width * SIZE[0] // 96, height * SIZE[1] // 96)).save("
    )
    Path("editor.py").write_text(program.replace("SIZE", repr(size)))
    command = f"command:{sys.executable} editor.py"
    assert edit(f"-e happy -s 1 --face {face} -o made --size 64", "--editor", command) == (
        0 if is_taken else 1
    )
    if is_taken:
        assert Image.open("made/happy-1.00.png").size == (120, 100)
    else:
        assert "and what has another form fits nowhere: edit a square face with --face" in error(capsys)
        assert not Path("made").exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_pipeline_whose_sides_are_multiples_of_64_edits_whole_pictures(photo):
    folder = save("StableDiffusionInstructPix2PixPipeline", Path("pix2pix"))
    Image.open(photo).resize((150, 100)).save(photo)  # 512 x 320 px, where 512 x 341 would be its form
    words = f"--editor instruct-pix2pix --model {folder} --device cpu --face whole --steps 1"
    assert edit(f"-e happy {words} -o made") == 0
    assert Image.open("made/happy-1.00.png").size == (150, 100)


def test_a_pipeline_of_the_table_edits_from_a_folder(photo, capsys):
    folder = save("Flux2KleinPipeline", Path("klein"))
    words = f"--editor flux-2-klein-4b --model {folder} --device cpu --size 64 --face {BOX} --steps 2"
    assert edit(f"-e happy -s 0.25,1 {words} -o made") == 0
    settings = json.loads(Path("made/manifest.json").read_text())
    assert '"pipeline": "Flux2KleinPipeline"' in json.dumps(settings)
    assert '"num_inference_steps": 2' in json.dumps(settings)
    assert Image.open("made/happy-0.25.png").size == (120, 100)
    capsys.readouterr()
    assert edit(f"--blend happy=0.5,sad=0.5 {words} -o mixed") == 2
    assert "flux-2-klein-4b takes no blends" in error(capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--editor flux-kontext", "did you mean flux-kontext-"),
        ("--editor truth", "unknown editor 'truth'"),
        ("--editor folder:x", "has edits of a benchmark alone"),
        ("--editor flux-kontext-fed", "cannot be run: neither its weights nor its training set"),
        ("--editor seedream-4.5", "ARK_API_KEY"),
        ("--editor seedream-4.5 --model x", "--model is for --editor pixelsmile"),
        ("--editor seedream-4.5 --shift 3", "--shift is for --editor pixelsmile"),
        ("--editor seedream-4.5 --conditioning span", "--conditioning is for --editor pixelsmile"),
        ("--editor flux-kontext-dev --adapter a", "--adapter is for --editor pixelsmile"),
        ("--editor flux-kontext-dev --price 1", "--price is for --editor"),
        ("--editor gpt-image-1.5 --max-cost 1", "give the most that one may cost as price"),
        ("--editor flux-kontext-dev --model nowhere", "no model folder 'nowhere'"),
        ("--editor instruct-pix2pix --offload model --device cpu --model .", "it has no model_index.json"),
    ],
)
def test_bad_words(words, message, photo, capsys, monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    if "gpt" in words:
        monkeypatch.setenv("OPENAI_API_KEY", KEYS["OPENAI_API_KEY"])
    assert edit(f"-e happy --face whole {words} -o made") == 2
    assert message in error(capsys)
    assert not Path("made").exists()
