"""What every recipe refuses is one line, and no traceback."""

import importlib
import sys

import pytest

from recipes.command_line import write_report


@pytest.mark.parametrize(
    ("module", "option"),
    [
        ("faces.detector.quality", "--detector"),
        ("faces.encoders.quality", "--encoders"),
        ("features.quality", "--encoder"),
        ("judge.marks", "--judge"),
        ("judge.marks_quality", "--judge"),
        ("judge.quality", "--judge"),
    ],
)
def test_networks_that_are_not_there(module, option, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recipe", option, str(tmp_path / "nothing")])
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module(f"recipes.{module}").main()
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("recipe: error: ")
    assert "nothing" in said


@pytest.mark.parametrize("name", ["embedded", "faces.detector", "faces.encoders", "features", "judge"])
def test_a_work_folder_of_another_plan(name, tmp_path, monkeypatch, capsys):
    for folder in ("pictures", "pool", "crops", "windows"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plan.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["recipe", "--work", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module(f"recipes.{name}.__main__").main()
    (said,) = capsys.readouterr().err.splitlines()
    assert "another --work, or delete the folder" in said


@pytest.mark.parametrize("device", ["cuda:7", "abacus"])
def test_a_device_that_is_not_here(device, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recipe", "--work", str(tmp_path / "work"), "--device", device])
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module("recipes.features.__main__").main()
    assert "argument --device" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_a_report_takes_the_place_of_one_before(tmp_path):
    for number in (1, 2):
        write_report({"number": number}, tmp_path / "new" / "report.json")
    assert (tmp_path / "new" / "report.json").read_text() == '{\n  "number": 2\n}\n'
