"""Every script of perf/ runs, at sizes that take seconds; what it measures is looked at by people."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from skimage import data

PERF = Path(__file__).parents[2] / "perf"


def run(name, arguments, monkeypatch, **sizes):
    """The script in this process, with smaller numbers in place of its own."""
    monkeypatch.syspath_prepend(str(PERF))
    for module in ("judges", "model_server", "model_examples"):  # of perf and tests, by their bare names
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
        ("fed", ("components", "--triplets", 1, "--threads", 1), {}, "all six"),
        ("geometric", (), {"FACE_PX": 128, "PREVIEW_PX": 96, "ROUNDS": 1}, "ms an edit"),
        (
            "pasting",
            (),
            {"SIZE": (400, 300), "PORTRAIT_PX": 180, "PLACE": (140, 70), "EDIT_PX": 128, "ROUNDS": 1},
            "0 outside",
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


def test_judges_are_asked_by_a_server_of_another_process():
    command = [sys.executable, PERF / "judges.py", "--verdicts", "4", "--latency", "0.01", "--side", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "4 of 4 verdicts right" in done.stdout


def test_the_house_is_counted():
    done = subprocess.run(
        [sys.executable, PERF / "house.py", "--rooms"], capture_output=True, text=True, check=True
    )
    assert "networks" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("training", ("--triplets", 1, "--steps", 1, "--rounds", 1), "triplets a second"),
        ("real_size", ("--layers", 1, "--size", 64, "--batch", 1, "--steps", 1), "share_of_floor"),
    ],
)
def test_what_takes_minutes_runs(name, arguments, said):
    command = [sys.executable, PERF / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said in done.stdout


@pytest.mark.slow
def test_editors_without_a_model_are_measured(tmp_path, monkeypatch):
    assert run("sanity", ("--samples", 2, "--out", tmp_path), monkeypatch) == 0
    assert (tmp_path / "report.html").is_file()
