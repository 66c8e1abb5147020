"""Every script of perf/ runs, at sizes that take seconds; what it measures is looked at by people."""

import importlib.util
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from diffusers import QwenImageTransformer2DModel
from skimage import data

PERF = Path(__file__).parents[2] / "perf"
PHOTOGRAPH = PERF.parent / "docs" / "astronaut.jpg"


def run(name, arguments, monkeypatch, **sizes):
    """The script in this process, with smaller numbers in place of its own."""
    monkeypatch.syspath_prepend(str(PERF))
    for module in (
        "judges",
        "planted",
        "planted_photographs",
        "screens",
        "image_server",
        "model_server",
        "model_examples",
    ):  # of perf and tests, by their bare names
        monkeypatch.delitem(sys.modules, module, raising=False)
    spec = importlib.util.spec_from_file_location(f"perf_{name}", PERF / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, script)
    spec.loader.exec_module(script)
    for constant, value in sizes.items():
        monkeypatch.setattr(script, constant, value)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return script.main()


@pytest.mark.parametrize(
    ("name", "arguments", "sizes", "said"),
    [
        pytest.param("adapter_formats", (), {}, "largest error", marks=pytest.mark.slow),
        ("faces", (), {"NUM_FACES": 2, "BATCH": 2, "ROUNDS": 1}, "largest difference NumPy to torch"),
        (
            "face_limits",
            (),
            {"NUM_PEOPLE": 2, "BLURS": (0.0, 0.03), "FACTORS": (1.0,)},
            "drawn, anime: 2 faces",
        ),
        pytest.param(
            "damage",
            ("--people", 1, "--expressions", 1),
            {},
            "scale: full marks up to",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "doubts", ("test", "--num-people", 1, "--workers", 1), {}, "mislabelled", marks=pytest.mark.slow
        ),
        ("fed", ("components", "--triplets", 1, "--threads", 1, 1), {}, "all six"),
        ("geometric", (), {"FACE_PX": 128, "PREVIEW_PX": 96, "ROUNDS": 1}, "ms an edit"),
        ("heads", ("--pictures", 2), {"INTENSITIES": (1.0,)}, "head_tilt 1 (10 deg)"),
        pytest.param(
            "readers", ("--people", 2, "--expressions", 1), {}, "to another", marks=pytest.mark.slow
        ),
        ("qwen21", (), {"SIZES_PX": (512,)}, "kept of a source 0.56 GB a picture"),
        (
            "memory",
            (),
            {
                "TRANSFORMERS": ((256, 128, 100, 1),),
                "AUTOENCODERS": ((8, 32),),
                "KEPT": (256, 128, 100, 1),
                "TRAINED": ((128, 2, 64, 20, 1),),
                "ROUNDS": 1,
            },
            "2 of 2",
        ),
        (
            "pasting",
            (),
            {"SIZE": (400, 300), "PORTRAIT_PX": 180, "PLACE": (140, 70), "EDIT_PX": 128, "ROUNDS": 1},
            "0 outside",
        ),
        pytest.param(
            "planted_build", ("--people", 1, "--workers", 0), {}, "duplicate", marks=pytest.mark.slow
        ),
        ("marks", ("found", PHOTOGRAPH, "--drawn", 1), {"DRAWN_PX": 128}, "half, crop .8, JPEG 75"),
        ("marks", ("alarms", "--count", 2), {"UNMARKED_PX": 96}, "0 false alarms in 2 pictures"),
        ("screens", ("test", "--people", 1, "--workers", 0), {}, "all together: recall"),
        pytest.param(
            "screens", ("limits", "--people", 2, "--workers", 0), {}, "max_step_ratio", marks=pytest.mark.slow
        ),
        pytest.param(
            "presets",
            ("--people", 1, "--expressions", 1, "--steps", 4, "--rows", "fuse", "taylor=2", "anchors=1/2"),
            {},
            "anchors=1/2",
            marks=pytest.mark.slow,
        ),
        ("startup", ("--rounds", 1), {}, "import pixelsmile"),
        pytest.param(
            "sweep", ("--rounds", 1, "--expressions", 1), {}, "times as fast", marks=pytest.mark.slow
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_script_runs(name, arguments, sizes, said, monkeypatch, capsys):
    run(name, arguments, monkeypatch, **sizes)
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_a_data_set_on_paper(tmp_path, monkeypatch):
    config, page = tmp_path / "config.yaml", tmp_path / "page.md"
    config.write_text("collect: {drawn: {us: {num_people: 9}}}\nduplicates: {max_distance: null}\n")
    page.write_text("a\n<!-- perf/dataset.py begins -->\nold\n<!-- perf/dataset.py ends -->\nb\n")
    arguments = (config, "--rows", 3, "--faces", 100, "--write", page)
    run("dataset", arguments, monkeypatch, HASHES=1000)
    text = page.read_text()
    assert "| `faces` | 3 | " in text
    assert "cost $40,000" in text
    assert "old" not in text


def test_changed_signatures_are_counted(monkeypatch, capsys):
    pytest.importorskip("c2pa")
    run("marks", ("tampering", "--count", 2), monkeypatch, UNMARKED_PX=96)
    said = capsys.readouterr().out
    assert said.count("untrusted; of 2 with a changed byte of the picture 2 are told as broken") == 5


def test_photographs_of_faces_are_read(tmp_path, monkeypatch, capsys):
    from PIL import Image

    for number in (1, 2):
        Image.fromarray(data.astronaut()[:256, 100 : 356 + number]).save(tmp_path / f"eileen-{number}.png")
    run("photo_faces", (tmp_path, "--people", tmp_path), monkeypatch, ROUNDS=1)
    said = capsys.readouterr().out
    assert "1 found" in said
    assert "2 pictures of 1 people" in said


def test_the_worst_pictures_are_judged():
    done = subprocess.run(
        [sys.executable, PERF / "pictures.py", "gif_43_bytes"], capture_output=True, text=True, check=True
    )
    assert "refused" in done.stdout


@pytest.mark.slow
def test_broken_files_are_refused(tmp_path):
    command = [sys.executable, PERF / "fuzz", "--count", "6", "--only", "yaml", "--keep", tmp_path / "kept"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].startswith("all\t")
    assert not (tmp_path / "kept").exists()


def test_edits_of_a_bad_server_of_another_process_are_all_there_and_paid_for_once():
    size = ("--edits", "6", "--max-concurrency", "3", "--latency", "0.01", "--side", "32")
    command = [sys.executable, PERF / "api_edits.py", *size, "--services", "ark"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "6 of 6 edits right, 0 paid twice" in done.stdout
    said = next(line for line in done.stdout.splitlines() if "by the server's count" in line)
    both, counted = said.partition("both: ")[2].split(", by the server's count ")
    assert both == counted


def test_judges_are_asked_by_a_server_of_another_process():
    command = [sys.executable, PERF / "judges.py", "--verdicts", "4", "--latency", "0.01", "--side", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "4 of 4 verdicts right" in done.stdout


def test_clients_of_a_server_that_is_stopped_are_all_answered():
    command = [sys.executable, PERF / "serve.py", "stop", "--clients", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert (said["without_answer"], said["exit_code"]) == ({}, 0)


def test_the_house_is_counted():
    done = subprocess.run(
        [sys.executable, PERF / "house.py", "--rooms"], capture_output=True, text=True, check=True
    )
    assert "networks" in done.stdout


def test_a_step_of_a_tiny_model_is_timed(monkeypatch, capsys):
    """At the real width one layer alone needs gigabytes."""
    tiny = partial(
        QwenImageTransformer2DModel, num_attention_heads=1, attention_head_dim=128, joint_attention_dim=8
    )
    arguments = ("--layers", 1, "--size", 64, "--batch", 1, 2, "--steps", 1, "--device", "cpu")
    sizes = {"QwenImageTransformer2DModel": tiny, "TEXT_DIM": 8, "reached_flops": lambda _: 1e9}
    run("real_size", arguments, monkeypatch, **sizes)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["batch"] for record in records] == [1, 2]


@pytest.mark.slow
def test_training_steps_are_timed():
    command = [sys.executable, PERF / "training.py", "--triplets", "1", "--steps", "1", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "triplets a second" in done.stdout


@pytest.mark.slow
def test_editors_without_a_model_are_measured(tmp_path, monkeypatch):
    assert run("sanity", ("--samples", 2, "--out", tmp_path), monkeypatch) == 0
    assert (tmp_path / "report.html").is_file()


def test_a_leak_is_told_from_what_is_in_use_just_then(monkeypatch):
    """Memory swings by several MB with the size of the pictures; 50 KB an edit is found in 1,400."""
    monkeypatch.setitem(sys.modules, "perf_serve", None)
    spec = importlib.util.spec_from_file_location("perf_serve", PERF / "serve.py")
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "perf_serve", script)
    spec.loader.exec_module(script)
    swings = [200 + 4 * ((number * 37) % 11 - 5) / 5 for number in range(1400)]
    leaking = [mb + 0.05 * number for number, mb in enumerate(swings)]
    kb, error = script.growth(leaking)
    assert abs(kb - 51.2) < 1
    assert script.is_leaking(kb, error) is True
    assert script.is_leaking(*script.growth(swings)) is False
    assert script.is_leaking(*script.growth(swings[:20])) is None
    assert script.is_leaking(30.0, 20.0) is None


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("serve", ("leaks", "--edits", "-3"), "--edits: '-3' is no whole number from 1 on"),
        ("serve", ("load", "--seconds", "nan"), "--seconds: 'nan' is no number from 1 on"),
        ("judges", ("--faults", "1.5"), "--faults: '1.5' is no number from 0 to 1"),
        ("api_edits", ("--latency", "inf"), "--latency: 'inf' is no number from 0.001 on"),
        ("fed", ("server", "--latency", "0"), "--latency: '0' is no number from 0.001 on"),
        (
            "damage",
            ("--sheet", "sheet.psd"),
            "--sheet: 'sheet.psd' is no name of a picture: try one like sheet.png",
        ),
        ("damage", ("--expressions", "13"), "--expressions: 13 are more than there are: 12"),
        ("screens", ("test", "--sheet", "no/sheet.png"), "--sheet: there is no folder 'no': make it first"),
        ("startup", ("--rounds", "ten"), "--rounds: 'ten' is no whole number from 1 on"),
    ],
)
def test_what_a_script_does_not_take_is_one_line(name, arguments, said, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(name, arguments, monkeypatch)
    assert capsys.readouterr().err.splitlines()[-1] == f"{name}: error: argument {said}"


@pytest.mark.parametrize("model", ["nothing", "geometric"])
def test_damage_is_of_a_model_with_weights(model, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("damage", ("--model", model), monkeypatch)
    assert (
        f"damage: error: {'no model folder' if model == 'nothing' else repr(model)}"
        in capsys.readouterr().err
    )


def test_no_script_takes_a_number_without_a_range():
    for path in PERF.glob("*.py"):
        assert not set(re.findall(r"type=(int|float)\b", path.read_text())), path.name
