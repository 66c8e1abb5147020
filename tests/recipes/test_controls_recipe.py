"""Table 2 in miniature: commands are real, trainings cost alike, its table is the metrics' own numbers."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from benchmarks.edit_examples import scored_edit
from benchmarks.run_examples import FAILURE, begin_run, edit_record, make_edits
from PIL import Image, ImageChops
from safetensors.torch import save_file

from pixelsmile.benchmarks.metrics.summary import summarise
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.cli import main
from pixelsmile.editing.controls.settings import METHODS
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.configuration import read_configuration
from pixelsmile.store.json_lines import LineWriter
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig
from recipes.ablations.jobs import Job
from recipes.commands import CommandError, run_command
from recipes.controls import __main__ as recipe
from recipes.controls import pace
from recipes.controls.jobs import (
    PIXELSMILE,
    PUBLISHED_NAMES,
    ROWS,
    TRAINED,
    UNTRAINED,
    Setting,
    drawing_commands,
    job_of,
    require_same_setting,
    weights_of,
)
from recipes.controls.table import (
    COLUMNS,
    as_json,
    as_markdown,
    control_table,
    cost_of,
    curves,
    paper_order,
    sheet,
)


def setting(work: Path, **changes: object) -> Setting:
    given = {
        "work": work,
        "model": "embedded",
        "domain": "human",
        "num_triplets": 8,
        "num_samples": 4,
        "seeds": (0, 1),
        "budget_s": 60.0,
        "num_steps": None,
        "settings": (),
        "strengths": ("0", "1"),
    }
    return Setting(**{**given, **changes})  # type: ignore[arg-type]


def config_of(job: Job) -> TrainingConfig:
    train = job.commands[0]
    changes = [word for flag, word in pairwise(train) if flag == "--set"]
    return read_configuration(preset_path(train[1]), TrainingConfig, changes)


def test_every_training_is_a_configuration_of_its_method(tmp_path: Path) -> None:
    for row in TRAINED:
        config = config_of(job_of(setting(tmp_path), row, 1, 200))
        assert (config.run.num_steps, config.run.seed, config.run.batch_size) == (200, 1, 4)
        assert config.data.window is not None
        assert (config.control is None) == (row == PIXELSMILE)
        if config.control is not None:
            assert config.control.method == row
        sees_all = Path(config.data.triplets).parent.name == "triplets-all"
        assert sees_all == (row in ("k-slider", PIXELSMILE))
    assert set(PUBLISHED_NAMES) == set(ROWS) == {UNTRAINED, PIXELSMILE, *METHODS}


def test_both_sets_of_triplets_differ_in_their_strengths_alone(tmp_path: Path) -> None:
    ends, every = drawing_commands(setting(tmp_path))
    assert [a for a, b in zip(ends, every, strict=True) if a != b] == ["1", str(tmp_path / "triplets-ends")]


@pytest.mark.parametrize("row", ROWS)
def test_every_command_is_understood(
    tmp_path: Path, row: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = job_of(setting(tmp_path), row, 0, 20)
    assert ("--control" in job.commands[-3]) == (row in METHODS)
    assert len(job.commands) == (3 if row == UNTRAINED else 4)
    for command in job.commands:
        assert main([*command, "--no-such-option"]) == 2
        assert "'--no-such-option'" in capsys.readouterr().err


def test_a_budget_pays_for_steps_and_a_pace_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "cpu_seconds_a_step", lambda _, row: {"saedit": 1e-9, "k-slider": 0.5}[row])
    assert pace.steps_of(setting(tmp_path), ["saedit", "k-slider"]) == {
        "saedit": pace.MOST_STEPS,
        "k-slider": 120,
    }
    monkeypatch.setattr(pace, "cpu_seconds_a_step", lambda *_: pytest.fail("it is known"))
    assert pace.steps_of(setting(tmp_path, budget_s=1.0), ["k-slider"]) == {"k-slider": pace.LEAST_STEPS}
    assert pace.steps_of(setting(tmp_path, num_steps=7), ["concept-slider"]) == {"concept-slider": 7}


def test_a_work_folder_keeps_to_its_setting(tmp_path: Path) -> None:
    require_same_setting(setting(tmp_path))
    require_same_setting(setting(tmp_path, seeds=(0, 1, 2)))
    with pytest.raises(InputError, match="budget_s"):
        require_same_setting(setting(tmp_path, budget_s=1.0))


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `python -m recipes.controls`."""
    monkeypatch.setattr("sys.argv", ["recipes.controls", *words])
    try:
        recipe.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_table_of_what_is_there_measures_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pace, "cpu_seconds_a_step", lambda *_: pytest.fail("nothing is to be measured"))
    caplog.set_level("INFO")
    (tmp_path / "another" / "human").mkdir(parents=True)
    for name in ("none", "another"):
        assert called(monkeypatch, "--table", "--domain", "human", "--work", str(tmp_path / name)) == 0
        assert f"no row in {tmp_path / name / 'human'} is done" in caplog.text
    assert [path.name for path in tmp_path.rglob("*")] == ["another", "human"]


def test_a_wrong_word_and_a_command_that_fails_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> float:
        raise CommandError("pixelsmile triplets draw failed (2): no disk (see drawing.txt)")

    monkeypatch.setattr(recipe, "run_command", failing)
    for words, code, line in (
        (("--strengths", "a"), 2, "strength 'a'"),
        (("--strengths", "0", "1", "1"), 2, "strengths 0 1 1 name one twice"),
        (("--strengths", "0", "1.5"), 2, "k-slider takes no strength beyond 1"),
        (("--set", "control.tokens=subject"), 2, "control.tokens: concept-slider has no such setting"),
        (("--set", "control.tokens=both", "--method", "attribute-control"), 2, "'both'"),
    ):
        assert called(monkeypatch, "--work", str(tmp_path), *words) == code
        assert line in capsys.readouterr().err.splitlines()[-1]
        assert not list(tmp_path.iterdir())
    for words, code, line in (
        (("--strengths", "0", "1.5", "--method", "saedit"), 1, "error: pixelsmile triplets draw failed (2)"),
    ):
        assert called(monkeypatch, "--work", str(tmp_path), *words) == code
        assert line in capsys.readouterr().err.splitlines()[-1]


def sweep(slope: float, num: int = 6) -> list[ScoredEdit]:
    """Sweeps towards happy whose scores rise so steeply (falling ones below 0)."""
    found = []
    for index in range(num):
        for strength in (0.0, 0.5, 1.0):
            score = (0.9 if slope < 0 else 0.05) + slope * strength + 0.02 * ((index + 2 * strength) % 2)
            scores = {name: score if name == "happy" else 0.0 for name in EXPRESSIONS}
            shown = "happy" if strength else "neutral"
            found.append(scored_edit(f"s{index}", "happy", strength, scores, shown, {"arcface": 0.7}))
    return found


def test_the_table_has_the_metrics_own_values_and_says_what_holds_of_the_order(tmp_path: Path) -> None:
    edits = {
        UNTRAINED: {0: sweep(0.3)},
        PIXELSMILE: {0: sweep(0.9), 1: sweep(0.9)},
        "k-slider": {0: sweep(-0.8), 1: sweep(-0.8)},
    }
    table = control_table(edits, num_replicates=100)
    own = summarise(edits[PIXELSMILE][0])
    for metric in COLUMNS:
        wanted, cell = own.metrics[metric.name].estimate.value, table[PIXELSMILE][metric.name]
        assert cell.value == (None if wanted is None else pytest.approx(wanted))
    order = {
        (one.better, one.worse, one.metric): one.holds for one in paper_order(edits, ("cls_6", "hes"), 100)
    }
    assert order[PIXELSMILE, UNTRAINED, "hes"] == "yes"
    assert order[UNTRAINED, "k-slider", "cls_6"] == "yes"
    reversed_order = paper_order(
        {**edits, "k-slider": edits[PIXELSMILE], PIXELSMILE: edits["k-slider"]}, ("cls_6",), 100
    )
    assert "no, the opposite" in {one.holds for one in reversed_order}

    folder = tmp_path / "k-slider-0"
    folder.mkdir()
    (folder / "cpu.jsonl").write_text(
        '{"command": "train k-slider --set", "cpu_s": 2.0}\n{"command": "bench ffe run", "cpu_s": 50.0}\n'
        '{"command": "train k-slider --set", "cpu_s": 3.5}\n{"command": "train k-sl'  # a kill
    )
    assert pace.seconds_taken(folder / "cpu.jsonl") == 5.5
    assert cost_of([job_of(setting(tmp_path), UNTRAINED, 0, 0)], 0) is None
    points = {row: curves([summarise(some) for some in by.values()]) for row, by in edits.items()}
    assert [point["strength"] for point in points[PIXELSMILE]] == [0.0, 0.5, 1.0]
    costs = dict.fromkeys(edits)
    text = as_markdown(table, costs, paper_order(edits, num_replicates=100))
    assert text.count("\n| k-slider |") == 1
    json.dumps(as_json(table, costs, [], points), allow_nan=False)


def test_the_sheet_has_the_edits_of_every_row(tmp_path: Path) -> None:
    runs = {row: begin_run(tmp_path / row) for row in (UNTRAINED, "k-slider")}
    spec = runs[UNTRAINED].spec()
    for run in runs.values():
        make_edits(run)
    one, both = sheet({UNTRAINED: runs[UNTRAINED]}), sheet(runs)
    assert both.height > one.height
    assert one.width >= 176 * (1 + len(spec.strengths))
    task = spec.tasks[0]
    edit = runs["k-slider"].edits()[task.source, task.target, spec.strengths[-1]]
    Image.new("RGB", (8, 8)).save(runs["k-slider"].path / str(edit.file))
    with pytest.raises(InputError, match="was changed since it was made"):
        sheet(runs)


def test_an_edit_that_failed_is_told_on_the_sheet(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    task, *_ = run.spec().tasks
    keys = [key for key in run.spec().edit_keys() if key[:2] == (task.source, task.target)]
    make_edits(run, keys[:-1])
    with LineWriter(run.edits_file) as lines:
        lines.write(edit_record(keys[-1], failure=FAILURE))
    whole, failed = begin_run(tmp_path / "whole"), sheet({UNTRAINED: run})
    make_edits(whole, keys)
    other = sheet({UNTRAINED: whole})
    changed = ImageChops.difference(failed, other).getbbox()
    assert changed is not None
    assert changed[0] > failed.width - 1.2 * 176  # the last tile alone


def test_what_a_training_cost_counts_what_is_trained(tmp_path: Path) -> None:
    """saedit's directions are found when it is trained; attribute-control's are what is trained."""
    directions = torch.zeros(12, 8)
    for row, others, parameters in (
        ("attribute-control", {}, 96),
        ("saedit", {"encoder": torch.zeros(4, 8)}, 32),
    ):
        job = job_of(setting(tmp_path), row, 0, 20)
        weights_of(job).parent.mkdir(parents=True)
        save_file({"directions": directions, **others}, weights_of(job))
        (job.folder / "cpu.jsonl").write_text(f'{{"command": "train {row} --set", "cpu_s": 2.0}}\n')
        cost = cost_of([job], 20)
        assert cost is not None
        assert (cost.parameters, cost.steps, cost.pairs, cost.cpu_s) == (parameters, 20, 160, 2.0)


def test_a_commands_cpu_seconds_are_told(tmp_path: Path) -> None:
    assert 0 < run_command(("expressions",), tmp_path / "log.txt", 1) < 60
    with pytest.raises(CommandError, match="failed"):
        run_command(("no-such-command",), tmp_path / "log.txt", 1)
