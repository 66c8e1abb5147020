"""The recipe of the adapters that ship: its commands are real, and each stage begins where one ended."""

import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from pixelsmile.cli import main
from pixelsmile.editing.folders import read_options
from pixelsmile.embedded import model_path
from pixelsmile.store.configuration import read_configuration
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig
from pixelsmile.training.run_folder import ADAPTER_NAME
from recipes.adapters import __main__ as program
from recipes.adapters.stages import STAGES, commands


def configs(work: Path) -> list[TrainingConfig]:
    trainings = [command for command in commands(STAGES, "human", work) if command[0] == "train"]
    return [
        read_configuration(
            preset_path(name), TrainingConfig, [word for flag, word in pairwise(rest) if flag == "--set"]
        )
        for _, name, *rest in trainings
    ]


def test_each_stage_goes_on_from_the_adapter_of_the_one_before(tmp_path):
    starts = [config.adapter.start for config in configs(tmp_path)]
    assert starts == [None, *(str(tmp_path / stage.name / ADAPTER_NAME) for stage in STAGES[:-1])]


def test_faces_come_before_whole_pictures_and_the_contrast_fades_last(tmp_path):
    found = [(bool(config.data.window), config.objective.contrastive.weight) for config in configs(tmp_path)]
    assert found == [(True, 1.0), (False, 1.0), (True, 0.2)]


def test_every_stage_trains_on_the_triplets_that_are_drawn_before(tmp_path):
    drawing, *trainings = commands(STAGES, "human", tmp_path)
    assert all(f"data.triplets={drawing[-1]}/triplets.jsonl" in command for command in trainings)


def test_the_triplets_can_be_drawn(tmp_path):
    command = commands(STAGES, "anime", tmp_path)[0]
    words = list(command[2:])
    words[words.index("-n") + 1] = "1"
    assert main(["triplets", "draw", *words, "--workers", "1", "-q"]) == 0


def pretend(command, log, num_threads):
    """What a training leaves."""
    if command[0] == "train":
        folder = Path(command[-1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stats.jsonl").write_text('{"step": 10}\n')
        (folder / ADAPTER_NAME).write_bytes(folder.name.encode())


def test_the_adapter_becomes_that_of_a_model(tmp_path, monkeypatch):
    model = tmp_path / "model"
    shutil.copytree(model_path(), model, ignore=shutil.ignore_patterns("adapters", "*.jsonl"))
    options = json.loads((model / "pixelsmile.json").read_text())
    del options["adapters"]
    (model / "pixelsmile.json").write_text(json.dumps(options))
    monkeypatch.setattr(program, "run_command", pretend)
    words = ["--work", str(tmp_path / "work"), "--domain", "anime", "--into", str(model)]
    monkeypatch.setattr(sys, "argv", ["adapters", *words])
    program.main()
    assert read_options(model).adapters == {"anime": "adapters/anime.safetensors"}
    assert (model / "adapters/anime.safetensors").read_bytes() == STAGES[-1].name.encode()
    log = (model / "adapters/anime-training.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in log] == [{"stage": stage.name, "step": 10} for stage in STAGES]
    assert {**json.loads((model / "pixelsmile.json").read_text()), "adapters": None} == {
        **options,
        "adapters": None,
    }


def test_from_a_finished_adapter_only_the_last_stage_is_run(tmp_path, monkeypatch):
    model, ran = tmp_path / "model", []
    shutil.copytree(model_path(), model)
    monkeypatch.setattr(
        program, "run_command", lambda *arguments: (ran.append(arguments[0]), pretend(*arguments))
    )
    before = (model / "adapters/anime-training.jsonl").read_text()
    words = ["--work", str(tmp_path / "work"), "--domain", "anime", "--into", str(model)]
    monkeypatch.setattr(sys, "argv", ["adapters", *words, "--start", str(model_path())])
    program.main()
    assert [command[0] for command in ran] == ["triplets", "train"]
    assert f"adapter.start={model_path() / 'adapters/anime.safetensors'}" in ran[1]
    log = (model / "adapters/anime-training.jsonl").read_text()
    assert log == before + '{"stage": "even", "step": 10}\n'


def test_an_adapter_that_goes_back_to_where_it_began_is_logged_once(tmp_path, monkeypatch):
    model = tmp_path / "model"
    shutil.copytree(model_path(), model)
    monkeypatch.setattr(program, "run_command", pretend)
    before = (model / "adapters/human-training.jsonl").read_text()
    words = ["--work", str(tmp_path / "work"), "--domain", "human", "--into", str(model)]
    monkeypatch.setattr(sys, "argv", ["adapters", *words, "--start", str(model)])
    for _ in range(2):
        program.main()
        log = (model / "adapters/human-training.jsonl").read_text()
        assert log == before + '{"stage": "even", "step": 10}\n'


def test_a_work_folder_keeps_to_its_stages(tmp_path, monkeypatch, capsys):
    model = tmp_path / "model"
    shutil.copytree(model_path(), model)
    (model / "adapters/human-training.jsonl").unlink()
    monkeypatch.setattr(program, "run_command", pretend)
    words = ["--work", str(tmp_path / "work"), "--domain", "human"]
    monkeypatch.setattr(sys, "argv", ["adapters", *words, "--start", str(model)])
    program.main()
    monkeypatch.setattr(sys, "argv", ["adapters", *words])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    assert "was begun with stages = ['even'], not" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"), [("--start", "no adapter at"), ("--into", "is not a diffusers model")]
)
def test_what_is_no_model_is_refused_before_the_training(option, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["adapters", "--domain", "human", option, str(tmp_path)])
    monkeypatch.setattr(program, "run_command", lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit):
        program.main()
    assert message in capsys.readouterr().err
