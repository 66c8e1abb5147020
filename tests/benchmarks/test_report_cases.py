"""Which sweeps and edits are shown, by numbers worked out by hand."""

import pytest
from edit_examples import edit, sweep
from run_examples import write_run

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.report.cases import (
    all_sweeps,
    chosen_sweeps,
    leading,
    least_alike,
    most_confused,
    shared_sweeps,
)


class Run:
    """What the choice of cases asks of a run."""

    def __init__(self, edits, summary) -> None:
        self.edits, self.summary = tuple(edits), summary


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "run")
    return load_results(folder, bootstrap=Bootstrap(num_replicates=100)).summary


def test_a_sweep_has_its_correlation_and_the_harmonic_mean_of_its_means(summary):
    run = Run(
        sweep("a", "happy", (0.0, 0.25, 0.5, 0.75, 1.0), identity=0.5)
        + sweep("b", "sad", (0.2, None, 0.4, 0.2, None), identity=None)
        + sweep("c", "sad", (None,) * 5),
        summary,
    )
    happy, sad, nothing = all_sweeps(run)
    assert (happy.source, happy.target, happy.linearity) == ("a", "happy", pytest.approx(1))
    assert happy.quality == pytest.approx(0.5)  # of .5 and .5
    assert [point.score for point in sad.points] == [0.2, None, 0.4, 0.2, None]
    assert (sad.quality, nothing.quality, nothing.linearity) == (None, None, None)


def test_without_any_identity_the_mean_score_is_the_quality(summary):
    run = Run(sweep("a", "happy", (0.0, 0.3, 0.3, 0.3, 0.6), identity=None), summary)
    assert all_sweeps(run)[0].quality == pytest.approx(0.3)


def test_best_median_worst_and_one_by_lot_each_once(summary):
    edits = [e for i in range(7) for e in sweep(f"s{i}", "happy", [0.1 * (i + 1)] * 5, identity=0.5)]
    found = all_sweeps(Run(edits, summary))
    chosen = chosen_sweeps(found, seed=0)
    assert [(why, sweep.source) for why, sweep in chosen[:3]] == [
        ("best", "s6"),
        ("median", "s3"),
        ("worst", "s0"),
    ]
    assert chosen[3][0] == "by lot"
    assert chosen[3][1].source in {"s1", "s2", "s4", "s5"}
    assert chosen_sweeps(found, seed=0) == chosen
    assert [why for why, _ in chosen_sweeps(found[:1], 0)] == ["best"]
    assert [why for why, _ in chosen_sweeps(found[:2], 0)] == ["best", "worst"]
    assert chosen_sweeps([], 0) == []


def test_shared_sweeps_are_of_the_same_task(summary):
    a = all_sweeps(Run(sweep("x", "happy", [0.5] * 5) + sweep("y", "sad", [0.5] * 5), summary))
    b = all_sweeps(Run(sweep("y", "sad", [0.1] * 5) + sweep("z", "sad", [0.5] * 5), summary))
    ((one, other),) = shared_sweeps([a, b], seed=0, num=3)
    assert (one.source, other.source) == ("y", "y")
    assert other.points[0].score == 0.1


def test_the_most_confused_edit_comes_first_and_weak_strengths_do_not_count(summary):
    run = Run(
        [
            edit("a", "happy", "sad", score=0.9),  # .9 against .1
            edit("b", "happy", "fear", score=0.6),  # .6 against .1
            edit("c", "happy", "happy"),
            edit("d", "happy", None),
            edit("e", "happy", "sad", strength=0.5),
        ],
        summary,
    )
    assert [point.edit.sample for point in most_confused(run, 5)] == ["a", "b"]
    assert [point.edit.sample for point in most_confused(run, 1)] == ["a"]
    assert leading(run.edits[0], 1) == [("sad", 0.9)]


def test_the_least_alike_edit_comes_first(summary):
    run = Run(
        [
            edit("a", "happy", "happy", identity=0.4),
            edit("b", "happy", "happy", identity=0.2),
            edit("c", "happy", "happy", identity=None),
        ],
        summary,
    )
    assert [(point.edit.sample, point.identity) for point in least_alike(run, 5)] == [
        ("b", pytest.approx(0.2)),
        ("a", pytest.approx(0.4)),
    ]
