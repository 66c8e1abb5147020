"""`pixelsmile edit` on a real, tiny model."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from pixelsmile.cli import edit_options, main
from pixelsmile.editing.photographs import open_photographs
from pixelsmile.editing.pictures import read_source
from pixelsmile.editing.requests import Request
from pixelsmile.editing.session import Edit
from pixelsmile.errors import ImageError
from pixelsmile.hashing import sha256_file
from pixelsmile.results import animation
from pixelsmile.results.pictures import SUFFIXES
from pixelsmile.store.manifests import read_manifest


def names(folder: str = ".") -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("pixelsmile: ")
    return captured.err


def test_a_sweep(edit, capsys):
    assert edit("-e", "smile", "-s", "0", "0.5", "1.5", "--grid", "--gif", "--frames", "4") == 0
    captured = capsys.readouterr()
    written = ["happy-0.00.png", "happy-0.50.png", "happy-1.50.png", "happy.gif", "grid.png", "manifest.json"]
    assert captured.out.splitlines() == [f"face-happy/{name}" for name in written]
    assert "3 pictures in" in captured.err
    assert names("face-happy") == set(written)
    assert names() == {"face.png", "face-happy"}


def test_an_animation_has_its_own_frames(edit, capsys):
    assert (
        edit("-e", "happy", "-s", "0,1", "--animate", "webp", "--gif", "--frames", "5", "--steps", "1") == 0
    )
    captured = capsys.readouterr()
    written = ["happy-0.00.png", "happy-1.00.png", "happy.gif", "happy.webp", "manifest.json"]
    assert captured.out.splitlines() == [f"face-happy/{name}" for name in written]
    assert "animations edit 3 more strengths of each sweep: --frames takes fewer" in captured.err
    manifest = read_manifest("face-happy/manifest.json")
    assert manifest.settings["sweeps"][0]["strengths"] == [0, 1, 0.25, 0.5, 0.75]
    assert manifest.settings["frames"] == [0, 0.25, 0.5, 0.75, 1]
    with Image.open("face-happy/happy.gif") as image:
        assert image.n_frames == 8
    with Image.open("face-happy/happy-1.00.png") as image:
        assert json.loads(image.text["pixelsmile:settings"])["strength"] == 1.0


@pytest.mark.parametrize(("form", "suffix"), [("jpg", "jpg"), ("webp", "webp")])
def test_another_format(form, suffix, edit, model_folder, capsys):
    """Its edits are still known as those of a drawn portrait, and may be edited again."""
    assert edit("-e", "happy", "-s", "1", "--format", form, "--quality", "90", "--grid", "--steps", "1") == 0
    files = [f"face-happy/happy-1.00.{suffix}", f"face-happy/grid.{suffix}"]
    assert capsys.readouterr().out.splitlines() == [*files, "face-happy/manifest.json"]
    assert read_source(Path(files[0])).domain == "anime"
    again = ["edit", files[0], "-e", "sad", "-s", "1", "--steps", "1", "--model", str(model_folder)]
    assert main([*again, "-o", "again"]) == 0
    assert names("again") == {"sad-1.00.png", "manifest.json"}


def test_the_options_know_what_results_knows():
    assert tuple(SUFFIXES) == edit_options.FORMATS
    assert animation.ANIMATIONS == edit_options.ANIMATIONS
    assert animation.MAX_NUM_FRAMES == edit_options.MAX_NUM_FRAMES


def test_the_pictures_carry_their_settings(edit, model_folder):
    assert edit("-e", "happy", "-s", "0", "1", "--seed", "5", "--steps", "2", "-q") == 0
    with Image.open("face-happy/happy-1.00.png") as image:
        assert image.size == (96, 96)  # as the source, though the model works at 64
        settings = json.loads(image.text["pixelsmile:settings"])
        assert json.loads(image.text["pixelsmile:portrait"])["style"] == "anime"  # as the source said
    assert settings["strength"] == 1.0
    assert settings["seed"] == 5
    assert settings["steps"] == 2
    assert settings["weights"] == [1.0]
    assert settings["domain"] == "anime"  # as the drawn portrait says
    assert settings["model"] == str(model_folder)
    assert settings["source_sha256"] == sha256_file("face.png")


def test_a_fixed_shift_moves_the_noise_levels(edit):
    assert edit("-e", "happy", "-s", "1", "--steps", "2", "--shift", "3", "-q") == 0
    with Image.open("face-happy/happy-1.00.png") as image:
        assert json.loads(image.text["pixelsmile:settings"])["sigmas"] == [1.0, 0.75, 0.0]


def test_the_manifest_matches_the_files(edit):
    assert edit("-e", "happy", "--blend", "sad=0.5,fear=0.5", "-s", "1", "--grid", "-o", "out") == 0
    manifest = read_manifest("out/manifest.json")
    assert manifest.inputs[0].path == "face.png"
    assert manifest.inputs[0].sha256 == sha256_file("face.png")
    assert {record.path for record in manifest.outputs} == names("out") - {"manifest.json"}
    assert all(record.sha256 == sha256_file(f"out/{record.path}") for record in manifest.outputs)
    assert len(manifest.settings["sweeps"]) == 2


def test_the_same_command_gives_the_same_pictures(edit):
    for folder in ("one", "two"):
        assert edit("-e", "happy", "-s", "1", "--gif", "--frames", "3", "--grid", "-o", folder) == 0
    for name in ("happy-1.00.png", "happy.gif", "grid.png"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_json_alone_on_stdout(edit, capsys):
    assert edit("-e", "happy", "-s", "0", "1", "--json", "--grid") == 0
    record = json.loads(capsys.readouterr().out)
    assert set(record) == {
        "model",
        "device",
        "notes",
        "photo",
        "seconds",
        "folder",
        "pictures",
        "animations",
        "grid",
        "manifest",
    }
    assert record["pictures"][1] == {"path": "face-happy/happy-1.00.png", "label": "happy", "strength": 1.0}
    assert Path(record["grid"]).is_file()
    assert Path(record["manifest"]).is_file()


def test_quiet(edit, capsys):
    assert edit("-e", "happy", "-s", "1", "-q") == 0
    assert capsys.readouterr().err == ""


def test_what_exists_is_kept(edit, capsys):
    Path("face-happy").mkdir()
    Path("face-happy/happy-1.00.png").write_bytes(b"mine")
    assert edit("-e", "happy", "-s", "1") == 2
    assert "'face-happy/happy-1.00.png' already there: replace with --force" in refusal(capsys)
    assert names("face-happy") == {"happy-1.00.png"}
    assert edit("-e", "happy", "-s", "1", "--force") == 0
    assert Path("face-happy/happy-1.00.png").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "nothing to change"),
        (["-e", "hapy"], "unknown expression 'hapy': did you mean happy"),
        (["-e", "happy", "-s", "nan"], "out of range"),
        (["-e", "happy", "-s", "3"], "out of range"),
        (["-e", "happy", "-s", "much"], "'much' is not a number"),
        (["-e", "happy", "-s", "1", "1"], "1 is given twice"),
        (["-e", "happy", "-s", "1", "face.png"], "'face.png' is a file, not a strength"),
        (["-e", "happy", "--adapter", "none.safetensors"], "none.safetensors"),
        (["-e", "happy", "--device", "cuda:7"], "cuda:7"),
        (["-e", "happy", "--device", "abacus"], "abacus"),
        (["-e", "happy", "--dtype", "float8"], "float8"),
        (["-e", "happy", "--quantization", "4bit", "--device", "cpu"], "needs a GPU"),
        (["-e", "happy", "--offload", "model", "--device", "cpu"], "needs a GPU"),
        (["-e", "happy", "--conditioning", "allx"], "unknown conditioning 'allx'"),
        (["-e", "happy", "--size", "99999"], "size"),
        (["-e", "happy", "--format", "bmp"], "unknown format 'bmp'"),
        (["-e", "happy", "--quality", "80"], "PNG is lossless and has no quality"),
        (["-e", "happy", "--animate", "avi"], "unknown animation 'avi'"),
        (["-e", "happy", "--frames", "20"], "add --gif"),
        (["-e", "happy", "-s", "0", "--gif"], "does not move: add a strength"),
        (["-e", "happy", "--shift", "0"], "shift '0' is not a positive number"),
        (["-e", "happy", "-o", "face.png"], "'face.png' is a file, not a folder"),
        (["-e", "happy", "-o", "/proc/here"], "cannot write to '/proc/here'"),
        (["-e", "all", "--grid", "-s", *(str(index / 100) for index in range(100))], "too large"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_refusals_leave_nothing(arguments, line, edit, capsys):
    assert edit(*arguments) == 2
    assert line in refusal(capsys)
    assert names() == {"face.png"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--quantization 4bit --device cpu", "quantization '4bit' needs a GPU"),
        ("--adapter none.safetensors", "no adapter file, folder or hub id 'none.safetensors'"),
        ("--conditioning spam", "unknown conditioning 'spam': did you mean span?"),
        ("--size 5000", "size 5000 is out of range: use one from 32 to 4096"),
        ("--steps 2000", "steps 2000 is out of range: use one from 1 to 1000"),
        ("--guidance 1e9", "guidance '1e9' is out of range: use a number from 1 to 30"),
        ("--guidance 0.5", "guidance '0.5' is out of range: use a number from 1 to 30"),
        ("--guidance 4 --negative-prompt=", "negative_prompt must be words, or a space for none, not ''"),
        ("--batch-size 5000", "batch size 5000 is out of range: use one from 1 to 4096"),
        ("--face 10,10,60,60 --parser none.onnx", "there is no face parser 'none.onnx'"),
        ("--face 10,10,60,60 --context 1000", "context 1000.0 is out of range: use one from 1.25 to 8"),
        ("--face 10,10,60,60 --context 1", "context 1.0 is out of range: use one from 1.25 to 8"),
        ("--face 10,10,20,20 --context 1.25", "the square around the face has 25 px a side"),
    ],
)
def test_what_needs_no_model_is_refused_before_one_is_loaded(arguments, line, edit, capsys, monkeypatch):
    def load(*arguments: object, **options: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("pixelsmile.editing.editor.Editor.from_pretrained", load)
    assert edit("-e", "happy", *arguments.split()) == 2
    assert line in refusal(capsys)
    assert names() == {"face.png"}


def test_a_device_that_is_none_is_refused_where_there_are_gpus(drawn_face, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device in ("cuda0", "cuda:x"):
        assert main(["edit", str(drawn_face), "-e", "happy", "--device", device]) == 2
        assert f"unknown device {device!r}: use cpu, cuda, cuda:1" in refusal(capsys)


def test_models_that_are_none(edit, model_folder, capsys):
    Path("half").mkdir()
    Path("half/model_index.json").write_text("{}")
    for model, line in [
        ("nowhere", "'nowhere'"),
        ("half", "is incomplete"),
        ("no/such-model", "'no/such-model'"),
    ]:
        assert main(["edit", "face.png", "-e", "happy", "--model", model]) == 2
        assert line in refusal(capsys)
    assert names() == {"face.png", "half"}


def portraits(*paths: str) -> None:
    """A drawn portrait under each name, each of another person."""
    for seed, path in enumerate(paths):
        Path(path).parent.mkdir(exist_ok=True)
        arguments = ["--domain", "anime", "--size", "64", "--seed", str(seed), "-o", path, "--force"]
        assert main(["portrait", *arguments]) == 0


def test_several_photographs(model_folder, capsys):
    portraits("a.png", "b.png", "more/A.png")
    edit = ["edit", "a.png", "-s", "1", "-e", "happy", "b.png", "more/A.png", "./a.png", "--steps", "1"]
    capsys.readouterr()
    assert main([*edit, "--model", str(model_folder), "-o", "out", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["folder"] for record in records] == ["out/a", "out/b", "out/A-2"]
    assert [record["photo"] for record in records] == ["a.png", "b.png", "more/A.png"]
    for record in records:
        manifest = read_manifest(record["manifest"])
        assert manifest.inputs[0].sha256 == sha256_file(record["photo"])
        assert [picture["path"] for picture in record["pictures"]] == [f"{record['folder']}/happy-1.00.png"]

    assert main([*edit, "--model", str(model_folder), "-q"]) == 0
    assert {"a-happy", "b-happy", "A-happy-2"} <= names()


def test_several_photographs_are_refused_before_work(model_folder, capsys, monkeypatch):
    def load(*arguments: object, **options: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("pixelsmile.editing.editor.Editor.from_pretrained", load)
    portraits("a.png", "b.png")
    Path("torn.png").write_bytes(Path("a.png").read_bytes()[:900])
    Image.new("RGB", (64, 64)).save("black.jpg")
    Path("out/b").mkdir(parents=True)
    Path("out/b/manifest.json").write_text("mine")
    capsys.readouterr()
    for photos, line in [
        (("a.png", "torn.png", "none.jpg"), "'torn.png' is truncated or damaged"),
        (("a.png", "torn.png", "none.jpg"), "(and 1 more: none.jpg)"),
        (("a.png", "b.png"), "'out/b/manifest.json' already there"),
    ]:
        assert main(["edit", *photos, "-e", "happy", "-o", "out", "--model", str(model_folder)]) == 2
        assert line in refusal(capsys)
    assert names("out") == {"b"}
    Image.new("RGBA", (64, 64)).save("clear.png")
    edit = ["edit", "a.png", "clear.png", "-e", "happy", "--format", "jpeg", "--model", str(model_folder)]
    assert main(edit) == 2
    assert refusal(capsys) == (
        "pixelsmile: 'clear.png': jpeg does not hold transparency: write png or webp (--format)\n"
    )


def test_what_is_done_stays_when_a_later_photograph_fails(model_folder, capsys, monkeypatch):
    from pixelsmile.editing import editor

    portraits("a.png", "b.png", "c.png")
    capsys.readouterr()
    stream = editor.Editor.stream

    def stream_but_b(self, source, requests, **options):
        if source.path.name == "b.png":
            raise ImageError("the model gives nothing")
        return stream(self, source, requests, **options)

    monkeypatch.setattr(editor.Editor, "stream", stream_but_b)
    edit = [
        "edit",
        "a.png",
        "b.png",
        "c.png",
        "-e",
        "happy",
        "-s",
        "1",
        "--steps",
        "1",
        "-o",
        "out",
        "--json",
    ]
    assert main([*edit, "--model", str(model_folder)]) == 2
    done, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert done["photo"] == "a.png"
    assert failed["error"] == {
        "kind": "ImageError",
        "message": "'b.png': the model gives nothing "
        "(1 of 3 photographs are done and kept, the others are not)",
    }
    assert names("out") == {"a"}


def test_a_photograph_that_changes_in_the_meantime(tmp_path):
    portraits("a.png", "b.png")
    first, second = open_photographs([Path("a.png"), Path("b.png")], Edit([Request("happy")], (1.0,)))
    assert first.source().record.sha256 == first.sha256
    portraits("c.png", "b.png")
    second = replace(second, path=Path("c.png"))
    with pytest.raises(ImageError, match="has changed since this command began"):
        second.source()


def test_photos_that_are_none(model_folder, capsys):
    Path("letter.png").write_text("dear aunt")
    for photo, line in [("none.png", "there is no file"), (".", "is a folder"), ("letter.png", "no picture")]:
        assert main(["edit", photo, "-e", "happy", "--model", str(model_folder)]) == 2
        assert line in refusal(capsys)
    assert names() == {"letter.png"}


def test_a_full_disk_leaves_nothing(edit, capsys, monkeypatch):
    calls = []

    def full_at_the_second_file(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_at_the_second_file)
    assert edit("-e", "happy", "-s", "0", "1", "-q") == 2
    assert "no space left on device" in refusal(capsys)
    assert names() == {"face.png"}


def test_a_gpu_that_is_too_small(edit, capsys, monkeypatch):
    def run_out(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 40 GiB.")

    monkeypatch.setattr("pixelsmile.editing.editor.Editor.from_pretrained", run_out)
    assert edit("-e", "happy", "-q") == 2
    assert "too little free memory: add --batch-size 1" in refusal(capsys)
    assert names() == {"face.png"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(number, code, edit, model_folder):
    """A signal in the middle of a long edit, as soon as the temporary folder shows that it has begun."""
    command = [sys.executable, "-m", "pixelsmile", "edit", "face.png", "--model", str(model_folder), "-q"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored
    process = subprocess.Popen(
        [*command, "-e", "happy", "--steps", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    while len(names()) < 2 and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2)  # in the instant after it was made, only the next run takes it away
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    assert names() == {"face.png"}


def test_a_model_that_knows_drawn_portraits_only(model_folder, drawn_face, capsys, caplog):
    """Said in one line for a photograph, not for a drawn portrait, nor for its edits."""
    shutil.copytree(model_folder, "model")
    options = {"size": 64, "condition_size": 64, "steps": 2, "square": True, "note": "It knows drawn faces."}
    Path("model/pixelsmile.json").write_text(json.dumps(options))
    Image.effect_noise((96, 64), 50).convert("RGB").save("photo.jpg")
    edit = ["edit", "-e", "happy", "-s", "1", "--model", "model"]

    assert main([*edit, "photo.jpg", "--face", "whole", "-o", "one"]) == 0
    assert "'photo.jpg' is no portrait that pixelsmile drew. It knows drawn faces." in caplog.messages
    assert "of 96 x 64 px only the square in the middle is edited" in caplog.text
    assert Image.open("one/happy-1.00.png").size == (96, 64)
    caplog.clear()

    assert main([*edit, str(drawn_face), "-o", "two"]) == 0
    assert main([*edit, "two/happy-1.00.png", "-o", "three"]) == 0
    assert "drawn faces" not in caplog.text


def test_a_photograph_is_edited_by_its_mesh(monkeypatch, capsys):
    """Nobody named a model: never the embedded one, which knows drawn portraits only."""
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).save("astronaut.png")
    assert main(["edit", "astronaut.png", "-e", "sad", "-s", "1", "-o", "out"]) == 0
    said = capsys.readouterr().err
    assert "using the geometric model, which moves a mesh of the face" in said
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert manifest["settings"]["sweeps"][0]["model"] == "geometric"
    assert Image.open("out/sad-1.00.png").size == (512, 512)


def test_photographs_and_drawn_portraits_are_edited_apart(drawn_face, capsys):
    Image.effect_noise((96, 64), 50).convert("RGB").save("photo.jpg")
    assert main(["edit", "photo.jpg", str(drawn_face), "-e", "happy", "-o", "out"]) == 2
    assert "each kind has a model of its own: edit them apart, or name a --model" in refusal(capsys)


def test_the_domain_of_a_drawn_portrait_is_its_own(edit, capsys):
    assert edit("-e", "happy", "--domain", "human") == 2
    assert "'face.png' is a drawn anime portrait, not human: its domain is anime" in refusal(capsys)
    assert edit("-e", "happy", "-s", "1", "--steps", "1", "--domain", "anime") == 0
