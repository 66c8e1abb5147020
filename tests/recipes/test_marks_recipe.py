"""The calibration of the embedded markers: its pictures, both ends of its scales, and how it is tested."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from pixelsmile.embedded import judge_path
from pixelsmile.expressions import DOMAINS, FED_BENCH_CLASSES, NEUTRAL
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.embedded.marks import CALIBRATION_FILE, embedded_markers, load_calibration
from pixelsmile.portraits import ActionUnits, scores
from recipes.judge.marks import DAMAGES, STRENGTHS, VERSION, Errors, MarksPlan, Ruin, calibrate, task_of
from recipes.judge.marks_quality import MarksTest, measure, spearman


@pytest.fixture(scope="module")
def judge():
    return EmbeddedJudge()


def test_an_edit_task_is_a_task():
    tasks = [task_of(seed, domain) for seed in range(7_600_000, 7_600_040) for domain in DOMAINS]
    for task in tasks:
        target = task.target
        assert target.expression in FED_BENCH_CLASSES.values()
        assert task.source != task.truth != task.wrong != task.source
        if target.expression == NEUTRAL:
            assert (target.strength, task.truth) == (0, ActionUnits())
        else:
            assert STRENGTHS[0] <= target.strength <= STRENGTHS[1]
            assert scores(task.truth)[target.expression] == pytest.approx(target.strength, abs=0.03)
    assert {task.target.expression for task in tasks} == set(FED_BENCH_CLASSES.values())
    assert task_of(7_600_000, "human") == tasks[0]


def test_the_way_to_another_face():
    task = task_of(7_600_001, "human")
    assert task.towards(task.source, 0) == task.truth
    assert task.towards(task.source, 1) == task.source
    person, another = (task.picture(task.truth, of_another=other) for other in (False, True))
    assert person.size == another.size == (256, 256)
    assert person.tobytes() != another.tobytes()


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_grows_with_its_amount(kind):
    image = task_of(7_600_002, "anime").picture(ActionUnits())
    pixels = np.asarray(image, float)

    def change(amount: float) -> float:
        damaged = Ruin().damaged(image, kind, amount, np.random.default_rng(0))
        assert (damaged.mode, damaged.size) == ("RGB", image.size)
        return float(np.abs(np.asarray(damaged, float) - pixels).mean())

    assert change(0) == 0
    assert 0 < change(0.5) < change(1.0)


def test_no_such_damage():
    with pytest.raises(ValueError, match="'rust' is no damage"):
        Ruin().damaged(Image.new("RGB", (64, 64)), "rust", 0.5, np.random.default_rng(0))


def test_both_ends_of_a_scale():
    scale = Errors(sound=[number / 10 for number in range(11)], ruined=[3.0, 4.0, 5.0, 6.0, 7.0]).scale()
    assert (scale.full_at, scale.none_at) == (0.9, 4.0)


def test_ranks_correlate_as_scipy_says():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, 40), rng.integers(0, 8, 40)
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-3)
    assert spearman(one, -(one**3)) == -1
    assert spearman(one, np.zeros(40)) is None


def test_a_calibration_of_a_few_people(judge):
    found = calibrate(judge, MarksPlan(num_people=1))
    assert found.version == VERSION
    assert found.weights_sha256 == judge.identity.parameters["weights_sha256"]
    assert 0 < found.consistency.full_at < found.consistency.none_at <= 1.1


def test_the_calibration_that_ships_is_that_of_the_shipped_judge(judge):
    shipped = load_calibration(judge_path(), str(judge.identity.parameters["weights_sha256"]))
    assert shipped.version == VERSION
    assert (judge_path() / CALIBRATION_FILE).stat().st_size < 1000


def test_the_report_of_one_person():
    report = measure(embedded_markers(), MarksTest(num_people=1, amounts=(0.0, 1.0)))
    assert json.loads(json.dumps(report)) == report
    assert list(report) == ["quality", "consistency, dense", "consistency, simple", "truth_alignment"]
    for kind in ("blur", "noise", "compression"):
        means = report["quality"]["kinds"][kind]["mean_marks"]
        assert means["0"] > 8
        assert means.get("1", 0) < 3
    towards = report["consistency, dense"]["kinds"]["towards the source"]
    assert towards["mean_marks"]["0"] > towards["mean_marks"]["1"] + 5
    assert report["truth_alignment"]["kinds"]["drawn"]["mean_marks"] == {"0": 10}
