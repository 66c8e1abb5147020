"""The checks of the bias test, on values worked out by hand."""

import numpy as np
import pytest

from pixelsmile.benchmarks.fed.bias import (
    CHECKS,
    METRICS_CHECKED,
    NOT_BOTH,
    BiasMetric,
    BiasTable,
    Check,
    editor_figures,
    run_checks,
)
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.editors.sanity import FED_SANITY_EDITORS

PLAN = Bootstrap(num_replicates=400)
NUM_TRIPLETS = 12
UP, DOWN = BiasMetric("m", "m", "single"), BiasMetric("m", "m", "single", "lower")
CHAIN = Check("chain", ("a", "b", "c"))


def table(**means: float) -> BiasTable:
    """Two tasks for each triplet; values that vary by triplet around `means`, alike for all editors."""
    sample = np.repeat(np.arange(NUM_TRIPLETS), 2)
    wave = np.sin(np.arange(len(sample)))
    own = {name: 0.01 * np.cos(7 * place + np.arange(len(sample))) for place, name in enumerate(means)}
    return BiasTable(sample, {name: {"m": mean + wave + own[name]} for name, mean in means.items()})


def found(values: BiasTable, metric: BiasMetric = UP, check: Check = CHAIN):
    return run_checks(values, PLAN, [metric], [check])[metric.name][check.name]


def test_a_chain_is_right_where_every_pair_is():
    check = found(table(a=3.0, b=2.0, c=1.0))
    assert check.answer == "yes"
    assert [pair.answer for pair in check.pairs] == ["yes", "yes"]
    assert [(pair.better, pair.worse) for pair in check.pairs] == [("a", "b"), ("b", "c")]
    assert check.pairs[0].difference.value == pytest.approx(1, abs=0.01)
    assert check.pairs[0].coverage.num_scored == 2 * NUM_TRIPLETS
    assert check.pairs[0].coverage.num_samples == NUM_TRIPLETS


def test_one_wrong_pair_makes_it_wrong():
    check = found(table(a=3.0, b=1.0, c=2.0))
    assert check.answer == "no"
    assert [pair.answer for pair in check.pairs] == ["yes", "no"]


def test_equal_editors_are_not_told_apart():
    values = table(a=3.0, b=2.0)
    values.values["c"] = values.values["b"]
    check = found(values)
    assert check.answer == "not told apart"
    assert check.pairs[1].difference.value == 0
    assert check.pairs[1].difference.note is not None


def test_a_difference_within_its_interval_is_not_told_apart():
    sample = np.arange(NUM_TRIPLETS)
    wave = np.where(sample % 2, 1.0, -1.0)
    values = BiasTable(
        sample, {"a": {"m": wave + 0.01}, "b": {"m": -wave}, "c": {"m": -wave - 9 + 0.1 * np.sin(sample)}}
    )
    check = found(values)
    assert [pair.answer for pair in check.pairs] == ["not told apart", "yes"]
    assert check.answer == "not told apart"


def test_the_difference_is_paired():
    """Triplets vary a thousand times more than editors differ, and still the editors are told apart."""
    sample = np.arange(NUM_TRIPLETS)
    base = 1000.0 * np.cos(sample)
    values = BiasTable(sample, {"a": {"m": base + 1 + 0.1 * np.sin(sample)}, "b": {"m": base}})
    assert found(values, check=Check("pair", ("a", "b"))).answer == "yes"


def test_lower_may_be_better():
    assert found(table(a=1.0, b=2.0, c=3.0), DOWN).answer == "yes"
    assert found(table(a=3.0, b=2.0, c=1.0), DOWN).answer == "no"


def test_what_one_of_the_two_lacks_is_left_out_in_both():
    values = table(a=3.0, b=2.0, c=1.0)
    values.values["b"]["m"][0] = np.nan
    values.values["a"]["m"][0] = -1e6  # would turn the answer round
    pair = found(values).pairs[0]
    assert pair.answer == "yes"
    assert pair.coverage.unscored == {NOT_BOTH: 1}
    assert pair.coverage.num_scored == 2 * NUM_TRIPLETS - 1


def test_no_values_at_all_are_no_answer():
    values = table(a=3.0, b=2.0, c=1.0)
    values.values["b"]["m"][:] = np.nan
    check = found(values)
    assert check.answer == "not told apart"
    assert check.pairs[0].difference.value is None


def test_figures_are_means_of_what_there_is():
    values = table(a=3.0)
    values.values["a"]["m"][:] = [np.nan, *np.arange(2 * NUM_TRIPLETS - 1)]
    figure = editor_figures(values, "a", PLAN)["m"]
    assert figure.estimate.value == pytest.approx(np.mean(np.arange(2 * NUM_TRIPLETS - 1)))
    assert figure.estimate.low < figure.estimate.value < figure.estimate.high
    assert sum(figure.coverage.unscored.values()) == 1


def test_every_check_is_about_editors_that_there_are():
    assert {editor for check in CHECKS for editor in check.order} == set(FED_SANITY_EDITORS)
    assert len({metric.name for metric in METRICS_CHECKED}) == len(METRICS_CHECKED)
