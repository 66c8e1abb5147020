"""Loss and confusion along a training, from the runs and the statistics that it leaves on disk."""

import json
from pathlib import Path

import pytest
from run_examples import begin_run, judge_run, make_edits

from pixelsmile.benchmarks.ffe.results import RunResults, load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.report.charts import nice_ticks
from pixelsmile.benchmarks.report.dynamics import dynamics, training_charts, training_runs, validations
from pixelsmile.benchmarks.report.ffe import ffe_page
from pixelsmile.errors import InputError

LOSSES = {0: 4.0, 50: 3.0, 100: 2.0, 150: 1.0, 250: 0.5}


def a_look(path: Path, share: float) -> RunResults:
    folder = begin_run(path, strengths=(1.0,))
    make_edits(folder)
    judge_run(folder, share=share)
    return load_results(folder, bootstrap=Bootstrap(num_replicates=100))


@pytest.fixture(scope="module")
def training(tmp_path_factory) -> dict[str, RunResults]:
    path = tmp_path_factory.mktemp("training")
    lines = [
        json.dumps({"step": step, "epoch": 0.5, "losses": {"total": loss}}) for step, loss in LOSSES.items()
    ]
    (path / "stats.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    steps = {"late": 200, "early": 100}
    return {
        label: a_look(path / "validation" / f"step-{step:08d}-ffe", step / 200)
        for label, step in steps.items()
    }


def test_each_look_has_the_mean_loss_since_the_one_before(training):
    found, logged = validations(training)
    assert [(each.step, each.loss) for each in found] == [(100, 3.0), (200, 1.0)]
    assert logged == list(LOSSES.items())


def test_the_page_of_a_training_has_its_charts_and_its_table(training):
    loss, metrics = dynamics(training)["charts"]
    assert [point.up.value for point in loss.series[0].points] == [3.0, 1.0]
    assert loss.series[0].cloud == list(LOSSES.items())
    for series, name in zip(metrics.series, ("mscr", "acc_6", "acc_12"), strict=True):
        values = [training[label].summary.metrics[name].estimate.value for label in ("early", "late")]
        assert [point.up.value for point in series.points] == [value for value in values if value is not None]
    page = ffe_page(training)
    assert '<section id="training">' in page
    assert '<tr><th scope="row">100</th><td>3.0000</td>' in page


def test_runs_of_no_training_or_of_two_have_no_such_section(training, tmp_path):
    assert dynamics({"late": training["late"]}) is None
    other = a_look(tmp_path / "validation" / "step-00000100-ffe", 1.0)
    assert dynamics({**training, "other": other}) is None
    plain = a_look(tmp_path / "plain", 1.0)
    assert dynamics({**training, "plain": plain}) is None
    assert '<section id="training">' not in ffe_page({"plain": plain})


def test_a_training_without_statistics_has_no_losses(tmp_path):
    runs = {str(step): a_look(tmp_path / "validation" / f"step-{step:08d}-ffe", 1.0) for step in (1, 2)}
    found = dynamics(runs)
    assert found["charts"][0].series[0].points == []
    assert [row[1] for row in found["rows"]] == ["–", "–"]


@pytest.mark.parametrize(
    ("ends", "ticks"),
    [
        ((0, 200), [0, 50, 100, 150, 200]),
        ((0, 4), [0, 1, 2, 3, 4]),
        ((0, 0), [0, 1]),
        ((0.0, 0.33), [0, 0.1, 0.2, 0.3, 0.4]),
        ((-0.5, 1), [-0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_hold_all_that_there_is(ends, ticks):
    assert nice_ticks(*ends) == pytest.approx(ticks)


def test_two_trainings_are_two_lines(training, tmp_path):
    folder = training["late"].folder.path.parents[1]
    assert [path.name for path in training_runs(folder)] == ["step-00000100-ffe", "step-00000200-ffe"]
    loss, confusion = training_charts({"symmetric": training, "other": training})
    assert [series.label for series in loss.series] == ["symmetric", "other"]
    assert [point.up.value for point in loss.series[1].points] == [3.0, 1.0]
    known = [run.summary.metrics["mscr"].estimate.value for run in training.values()]
    assert len(confusion.series[0].points) == sum(value is not None for value in known)
    with pytest.raises(InputError, match="has 0 validations"):
        training_runs(tmp_path)
