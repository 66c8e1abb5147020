"""What recipes share: whole folders, plans that are not mixed, and where the result lies."""

import argparse
import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import parse_strength
from recipes.command_line import checked, whole
from recipes.work_folder import held, publish, require_replaceable, require_same_plan, whole_folder


def trained(folder, weights):
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "model.safetensors").write_bytes(weights)
    (folder / "stats.jsonl").write_text("{}\n")
    return folder


def test_reports_stay_beside_the_same_weights_alone(tmp_path):
    target = tmp_path / "finished"
    publish(trained(tmp_path / "one", b"one"), target)
    assert sorted(file.name for file in target.iterdir()) == ["model.safetensors", "training.jsonl"]
    (target / "quality.json").write_text("{}")
    publish(tmp_path / "one", target)
    assert (target / "quality.json").is_file()
    publish(trained(tmp_path / "other", b"other"), target)
    assert (target / "model.safetensors").read_bytes() == b"other"
    assert not (target / "quality.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finished", "one", "other"]


def test_a_folder_is_whole_or_not_there(tmp_path):
    target = tmp_path / "vae"

    def killed():
        with whole_folder(target) as partial:
            (partial / "config.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert not target.exists()
    with whole_folder(target) as partial:
        (partial / "tokenizer.json").write_text("{}")
    assert [file.name for file in target.iterdir()] == ["tokenizer.json"]


def test_another_plan_is_named(tmp_path):
    plan = {"seed": 0, "sizes_px": (96, 128)}
    require_same_plan(tmp_path / "crops", plan)
    require_same_plan(tmp_path / "crops", plan)
    assert json.loads((tmp_path / "crops" / "plan.json").read_text()) == {"seed": 0, "sizes_px": [96, 128]}
    with pytest.raises(InputError, match=r"begun with seed = 0, not 1: give the same plan"):
        require_same_plan(tmp_path / "crops", {**plan, "seed": 1})


def test_two_processes_are_never_at_work_in_one_folder(tmp_path):
    with held(tmp_path / "work"):
        with (
            pytest.raises(OutputError, match=r"another process is at work in .*: wait for it"),
            held(tmp_path / "work"),
        ):
            pytest.fail("both are")
        (tmp_path / "work" / "made").touch()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write to .*file"), held(tmp_path / "file"):
        pytest.fail("it is no folder")
    for name in ("work", "nothing"):
        with held(tmp_path / name):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "work"]


@pytest.mark.parametrize("name", ["embedded", "faces.detector", "faces.encoders", "features", "judge"])
def test_what_is_no_network_is_not_replaced(name, tmp_path, monkeypatch, capsys):
    target = tmp_path / "out" / "arcface" if name == "faces.encoders" else tmp_path / "out"
    target.mkdir(parents=True)
    (target / "photo.jpg").touch()
    words = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", [name, *words])
    module = importlib.import_module(f"recipes.{name}.__main__")
    monkeypatch.setattr(module, "run", lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit, match="2"):
        module.main()
    (said,) = capsys.readouterr().err.splitlines()
    assert "is something else than a finished network: give another --out" in said
    assert not (tmp_path / "work").exists()


def test_what_may_be_replaced(tmp_path):
    require_replaceable(tmp_path / "nothing")
    require_replaceable(tmp_path)
    for name in ("config.json", "model_index.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        require_replaceable(tmp_path / name)
        with pytest.raises(OutputError, match="something else"):
            require_replaceable(tmp_path / name / name)


@pytest.mark.parametrize("name", ["embedded", "faces.detector", "faces.encoders", "features", "judge"])
def test_a_recipe_waits_for_nobody(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--work", str(tmp_path), "--device", "cpu"])
    with held(tmp_path), pytest.raises(SystemExit, match="2"):
        importlib.import_module(f"recipes.{name}.__main__").main()
    (said,) = capsys.readouterr().err.splitlines()
    assert "another process is at work in" in said


@pytest.mark.parametrize("recipe", ["embedded", "features", "judge", "faces.detector", "faces.encoders"])
def test_the_result_lies_in_the_work_folder(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"recipes.{recipe}.__main__")
    places = []
    monkeypatch.setattr(
        module, "stages", lambda plan, work, out, *rest, **more: places.append((work, out)) or []
    )
    for options in (["--work", "runs/more"], ["--work", "runs/more", "--out", "elsewhere"]):
        monkeypatch.setattr(sys, "argv", [recipe, *options])
        module.main()
    (work, default), (_, named) = places
    assert (work, default.parent, named) == (Path("runs/more"), Path("runs/more"), Path("elsewhere"))


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (whole(), "0", "the number 0 is out of range: use a whole number of at least 1"),
        (whole(), "1.5", "the number '1.5' is not a whole number"),
        (checked(parse_strength), "nan", "strength"),
    ],
)
def test_numbers_of_recipes_are_refused_as_options_are(read, text, said, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=read)
    with pytest.raises(SystemExit):
        parser.parse_args(["--number", text])
    assert f"error: argument --number: {said}" in capsys.readouterr().err
    assert parser.parse_args(["--number", "2"]).number == 2


@pytest.mark.parametrize("folder", ["recipes", "examples"])
def test_no_option_takes_any_number(folder):
    """Where -1, nan and inf end in a traceback, or in nothing at all."""
    found = [
        str(file)
        for file in (Path(__file__).parents[2] / folder).rglob("*.py")
        if re.search(r"type=(int|float)\b", file.read_text())
    ]
    assert found == []
