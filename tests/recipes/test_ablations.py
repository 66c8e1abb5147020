"""The ablations of table 3: their commands are real, their table is the metrics' own numbers."""

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest
from benchmarks.edit_examples import scored_edit

from pixelsmile.benchmarks.metrics.summary import summarise
from pixelsmile.benchmarks.scorers.drawn import TRUTH
from pixelsmile.benchmarks.scores import Score, ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.configuration import read_configuration
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig
from recipes.ablations import __main__ as program
from recipes.ablations import jobs as ablation_jobs
from recipes.ablations.jobs import (
    FULL,
    UNTRAINED,
    VARIANTS,
    Job,
    Setting,
    all_jobs,
    drawing_commands,
    require_same_setting,
    run_all,
)
from recipes.ablations.table import CLAIMS, ablation_table, as_json, as_markdown, by_strength, findings
from recipes.commands import CommandError, run_command


def setting(work: Path) -> Setting:
    return Setting(work, "human", 8, 4, (0, 1), ("run.num_steps=60",), ("0.5", "1"))


def edits(num_right: int, num: int = 10, cosine: float = 0.9) -> list[ScoredEdit]:
    """Edits towards fear: the first ones show it, the others its partner."""
    found = []
    for index in range(num):
        shown = "fear" if index < num_right else "surprised"
        scores = {name: 1.0 if name == shown else 0.0 for name in EXPRESSIONS}
        found.append(scored_edit(f"s{index}", "fear", 1.0, scores, shown, {"arcface": cosine}))
    return found


def test_every_training_is_a_configuration_that_differs_where_it_should(tmp_path):
    jobs = [job for job in all_jobs(setting(tmp_path)) if job.name != UNTRAINED]
    assert len(jobs) == 2 * len(VARIANTS)
    configs = {}
    for job in jobs:
        train = job.commands[0]
        changes = [word for flag, word in pairwise(train) if flag == "--set"]
        configs[job.name, job.seed] = read_configuration(preset_path(train[1]), TrainingConfig, changes)
    full = configs[FULL, 0]
    assert full.run.num_steps == 60
    assert configs[FULL, 1].run.seed == 1
    assert configs["no-contrastive", 0].objective.contrastive.weight == 0
    assert configs["no-identity", 0].objective.identity.weight == 0
    assert not configs["asymmetric", 0].objective.contrastive.symmetric
    assert configs["hinge", 0].objective.contrastive.form == "hinge"
    assert configs["log-ratio", 0].objective.contrastive.form == "log_ratio"
    assert configs["discrete", 0].data.triplets != full.data.triplets


def test_both_sets_of_triplets_differ_in_their_levels_alone(tmp_path):
    free, discrete = drawing_commands(setting(tmp_path))
    assert set(discrete) - set(free) == {"--levels", str(tmp_path / "triplets-discrete")}


def test_claims_are_about_variants_and_metrics_that_exist():
    cells = ablation_table({FULL: {0: edits(5)}, **{variant.name: {0: edits(5)} for variant in VARIANTS}})
    for claim in CLAIMS:
        assert claim.metric in cells[claim.variant]


def test_the_cells_are_the_metrics_of_each_seed_and_their_difference():
    table = ablation_table(
        {
            FULL: {0: edits(9), 1: edits(7)},
            "no-contrastive": {0: edits(3), 1: edits(1)},
            UNTRAINED: {0: edits(4)},
        }
    )
    accuracy = table["no-contrastive"]["acc_12"]
    assert (accuracy.mean, accuracy.lowest, accuracy.highest) == pytest.approx((0.2, 0.1, 0.3))
    assert accuracy.difference == pytest.approx(0.2 - 0.8)
    assert accuracy.high < 0
    assert table[FULL]["acc_12"].difference == 0
    assert table[UNTRAINED]["acc_12"].difference == pytest.approx(0.4 - 0.8)
    assert table[FULL]["acc_12"].highest == summarise(edits(9)).metrics["acc_12"].estimate.value


def test_a_claim_holds_fails_or_cannot_be_told():
    table = ablation_table(
        {
            FULL: {0: edits(6), 1: edits(6)},
            "no-contrastive": {0: edits(1), 1: edits(1)},
            "log-ratio": {0: edits(10), 1: edits(10)},
            "asymmetric": {0: edits(6), 1: edits(6)},
        }
    )
    verdicts = {(found.claim.variant, found.claim.metric): found.verdict for found in findings(table)}
    assert verdicts["no-contrastive", "acc_12"] == "yes"
    assert verdicts["log-ratio", "acc_12"] == "no, the opposite"
    assert verdicts["asymmetric", "acc_12"] == "not told apart"
    assert ("hinge", "id_sim") not in verdicts  # it was not run
    text = as_markdown(table)
    assert "| no-contrastive | w/o contrastive loss |" in text
    assert "| without the contrastive loss fewer edits are right | acc_12 lower | -0.500" in text
    undefined = {claim for claim, verdict in verdicts.items() if verdict == "undefined"}
    assert undefined
    assert text.count(" | – | undefined |") == len(undefined)  # and not a difference of 0
    assert len(as_json(table)["claims"]) == len(verdicts)


def test_what_edits_reach_is_told_by_strength():
    half = [
        replace(edit, strength=0.5, scores={**edit.scores, TRUTH: Score(values={"psnr_db": 20.0 + seed})})
        for seed in (0, 1)
        for edit in edits(5 * seed)
    ]
    refused = scored_edit("s0", "fear", 0.5)
    *_, row = by_strength({FULL: {0: [*half[:10], refused], 1: [*half[10:], *edits(6)]}}).splitlines()
    assert row == "| full | 0.25 | 0.60 | 20.5 | – |"


def test_a_command_that_fails_names_its_log(tmp_path):
    with pytest.raises(CommandError, match=r"unknown command 'no-such-command'.* \(see .*log\.txt\)"):
        run_command(("no-such-command",), tmp_path / "log.txt", 1)
    assert "no-such-command" in (tmp_path / "log.txt").read_text()


def test_what_is_done_is_not_run_again(tmp_path):
    done = Job("full", 0, tmp_path / "done", (("no-such-command",),))
    done.bench.mkdir(parents=True)
    (done.bench / "report.json").write_text("{}")
    waiting = Job("full", 1, tmp_path / "waiting", (("expressions",),))
    assert list(run_all([done, waiting], 2)) == [waiting]
    assert "fear" in (waiting.folder / "log.txt").read_text()


def queued(work, num):
    """Jobs of two commands each."""
    return [Job("full", seed, work / str(seed), (("one",), ("two",))) for seed in range(num)]


def test_after_a_failure_nothing_more_is_begun(tmp_path, monkeypatch):
    begun = []

    def failing(command, log, num_threads):
        begun.append((log.parent.name, *command))
        raise RuntimeError("see log.txt")

    monkeypatch.setattr(ablation_jobs, "run_command", failing)
    with pytest.raises(RuntimeError, match="see log"):
        list(run_all(queued(tmp_path, 4), 1))
    assert begun == [("0", "one")]


def test_after_an_interrupt_nothing_more_is_begun(tmp_path, monkeypatch):
    begun, interrupted = [], Event()

    def slow(command, log, num_threads):
        begun.append((log.parent.name, *command))
        if log.parent.name != "0":
            interrupted.wait(2)
        return 1.0

    monkeypatch.setattr(ablation_jobs, "run_command", slow)
    running = run_all(queued(tmp_path, 4), 1)
    assert next(running).seed == 0
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    interrupted.set()
    assert set(begun) <= {("0", "one"), ("0", "two"), ("1", "one")}


def test_a_work_folder_has_one_setting(tmp_path):
    require_same_setting(setting(tmp_path))
    require_same_setting(replace(setting(tmp_path), seeds=(0, 1, 2)))
    with pytest.raises(InputError, match=r"begun with num_samples = 4, not 8"):
        require_same_setting(replace(setting(tmp_path), num_samples=8))
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    require_same_setting(setting(moved))


def test_the_program_refuses_another_setting(tmp_path, monkeypatch, capsys):
    (tmp_path / "full-0").mkdir()  # made before settings were kept: by the one that is given now
    monkeypatch.setattr(program, "run_command", lambda *_: None)
    monkeypatch.setattr(program, "run_all", lambda *_: [])
    for samples, said in (("64", "has no seed yet"), ("8", "num_samples = 64, not 8")):
        monkeypatch.setattr(sys, "argv", ["ablations", "--work", str(tmp_path), "--samples", samples])
        with pytest.raises(SystemExit):
            program.main()
        assert said in capsys.readouterr().err
    assert json.loads((tmp_path / "setting.json").read_text())["num_samples"] == 64


def test_settings_are_looked_at_before_anything_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "run_command", lambda *_: pytest.fail("it began"))
    for words, said in (
        (("--set", "run.steps=9"), "run.steps"),
        (("--strengths", "0", "1", "1"), "strengths 0 1 1 name one twice"),
    ):
        monkeypatch.setattr(sys, "argv", ["ablations", "--work", str(tmp_path / "work"), *words])
        with pytest.raises(SystemExit, match="2"):
            program.main()
        assert said in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_a_table_leaves_a_folder_of_something_else_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ablations", "--work", str(tmp_path), "--table"])
    with pytest.raises(SystemExit):
        program.main()
    assert not list(tmp_path.iterdir())


def test_a_table_of_no_folder_makes_none(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ablations", "--work", str(tmp_path / "none"), "--table"])
    with pytest.raises(SystemExit):
        program.main()
    assert not (tmp_path / "none").exists()
