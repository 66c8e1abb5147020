"""One call for all numbers, the comparison of two editors, and figures 4 and 9."""

import json
from itertools import permutations

import pytest
from edit_examples import (
    ENCODERS,
    REFUSED,
    STRENGTHS,
    edit,
    general_jobs,
    scored_edit,
    scores_of,
    shown_edits,
    sweep,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.linearity import CONSTANT
from pixelsmile.benchmarks.metrics.measure import ONLY_OTHER_VALUE, Bootstrap
from pixelsmile.benchmarks.metrics.summary import (
    METRIC_NAMES,
    ONLY_OTHER,
    ONLY_OTHER_IDENTITY,
    compare,
    summarise,
)
from pixelsmile.benchmarks.scores import NO_FACE, Score
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, confusing_partner

FEW = Bootstrap(num_replicates=200)
SAMPLES = [(f"s{place:02}", EXPRESSIONS[place % 12]) for place in range(48)]


def sweeps_of(score, identity=0.6, shown=lambda target: target):
    """48 sweeps; `score` and `identity` of place and strength."""
    found = []
    for place, (sample, target) in enumerate(SAMPLES):
        for strength in STRENGTHS:
            similarity = identity(place, strength) if callable(identity) else identity
            found.append(
                scored_edit(
                    sample,
                    target,
                    strength,
                    scores_of(shown(target), score(place, strength), rest=0.0),
                    cosines=dict.fromkeys(ENCODERS, similarity),
                )
            )
    return found


def values(summary):
    return {name: figure.estimate.value for name, figure in summary.metrics.items()}


def test_known_editors():
    perfect = values(summarise(sweeps_of(lambda place, strength: strength, 1.0), bootstrap=FEW))
    assert tuple(perfect) == METRIC_NAMES
    assert perfect["mscr"] == 0
    assert perfect["acc_6"] == perfect["acc_12"] == 1
    assert perfect["cls_2"] == perfect["cls_6"] == perfect["cls_12"] == pytest.approx(1)
    assert (perfect["expression"], perfect["id_sim"]) == (0.5, 1)
    assert perfect["hes"] == pytest.approx(2 / 3)
    lazy = values(summarise(sweeps_of(lambda place, strength: 0.0, 1.0), bootstrap=FEW))
    assert (lazy["acc_12"], lazy["mscr"], lazy["hes"], lazy["id_sim"]) == (0, 0, 0, 1)
    assert lazy["cls_12"] is None

    def partner(target):
        return confusing_partner(target) or target

    swapped = values(summarise(sweeps_of(lambda place, strength: strength, 1.0, partner), bootstrap=FEW))
    assert swapped["mscr"] == 1
    assert swapped["acc_6"] == pytest.approx(1 / 3)
    assert swapped["acc_12"] == pytest.approx(2 / 3)


def test_the_whole_summary_is_json():
    edits = sweeps_of(
        lambda place, strength: strength * (0.5 + place / 96), lambda place, strength: 1 - strength / 2
    )
    edits[4] = edits[4].with_scores(verdict=Score(unscored=REFUSED))  # s00, angry, strength 1
    choices = MetricChoices(neutral_at_most=0.6)
    found = summarise(edits, choices, FEW).as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert MetricChoices.from_json(found["choices"]) == choices
    assert Bootstrap(**found["bootstrap"]) == FEW
    assert (found["n_samples"], found["n_edits"], found["strengths"]) == (48, 240, list(STRENGTHS))
    acc = found["metrics"]["acc_12"]
    assert (acc["n_scored"], acc["n_unscored"], acc["unscored"]) == (47, 1, {REFUSED: 1})
    assert 0 < acc["low"] < acc["value"] < acc["high"] < 1
    assert found["metrics"]["expression"]["n_scored"] == 239
    assert found["metrics"]["cls_12"]["n_scored"] == 48
    assert sum(map(sum, found["confusion"]["counts"])) == 47
    assert [point["strength"] for point in found["trade_off"]] == list(STRENGTHS)
    assert found["encoders"] == sorted(ENCODERS)


def test_trade_off_curve_by_hand():
    edits = sweep("a", "happy", (0.0, 0.4, None), (0, 0.5, 1), 0.9) + sweep(
        "b", "sad", (0.2, 0.8, 1), (0, 0.5, 1), 0.5
    )
    faceless = Score(values=dict.fromkeys(ENCODERS), unscored=NO_FACE)
    edits[0] = edits[0].with_scores(identity=faceless)
    curve = summarise(edits, bootstrap=FEW).trade_off
    points = [(point.strength, point.expression.value, point.identity.value) for point in curve]
    assert points == [(0, 0.2, 0.5), (0.5, pytest.approx(0.6), pytest.approx(0.7)), (1, 1, 0.5)]
    assert [dict(point.coverage.unscored) for point in curve] == [{NO_FACE: 1}, {}, {REFUSED: 1}]


def test_nothing_scored_at_all():
    silent = summarise(
        [edit("a", "fear", None, identity=None), edit("b", "sad", None, identity=None)], bootstrap=FEW
    )
    assert set(values(silent).values()) == {None}
    json.dumps(silent.as_json(), allow_nan=False)
    assert silent.metrics["acc_12"].coverage.unscored == {REFUSED: 2}


@settings(max_examples=15, deadline=None)
@given(general_jobs(), st.randoms(use_true_random=False))
def test_summary_does_not_depend_on_order(jobs, random):
    edits = shown_edits(jobs)
    shuffled = random.sample(edits, len(edits))
    assert summarise(edits, bootstrap=FEW).as_json() == summarise(shuffled, bootstrap=FEW).as_json()


def test_comparison_is_paired():
    better = sweeps_of(lambda place, strength: strength * (0.6 + place / 150))
    worse = sweeps_of(lambda place, strength: strength * (0.5 + place / 150))
    gap = compare(better, worse, bootstrap=FEW).differences["expression"]
    assert gap.a - gap.b == pytest.approx(gap.difference.value) == pytest.approx(0.05)
    alone = summarise(better, bootstrap=FEW).metrics["expression"].estimate
    assert alone.high - alone.low > 0.01  # the same faces are hard for both: the difference is sure
    assert gap.difference.low is None or gap.difference.high - gap.difference.low < 1e-9
    same = compare(better, better, bootstrap=FEW)
    assert {found.difference.value for found in same.differences.values()} <= {0.0, None}
    json.dumps(same.as_json(), allow_nan=False)


def test_comparison_leaves_out_what_one_lacks():
    a = [edit("a", "happy", "happy"), edit("b", "happy", "happy", score=0.4), edit("c", "happy", "sad")]
    b = [edit("a", "happy", "happy"), edit("b", "happy", None), edit("c", "happy", "happy", identity=None)]
    found = compare(a, b, bootstrap=FEW).differences
    assert (found["acc_12"].a, found["acc_12"].b) == (0.5, 1)
    assert found["acc_12"].coverage.unscored == {ONLY_OTHER: 1}
    assert found["id_sim"].coverage.unscored == {ONLY_OTHER_IDENTITY: 1}
    assert found["hes"].coverage.num_scored == 1
    b[2] = b[2].with_scores(identity=Score(unscored=NO_FACE))
    zero = compare(a, b, MetricChoices(missing_faces="zero"), FEW).differences["id_sim"]
    assert (zero.a, zero.b) == (pytest.approx(0.6), pytest.approx(0.4))


def test_comparison_leaves_out_what_has_no_value_for_one():
    """A lazy editor's linearity is that of the few sweeps that it moved; the other's must be of the same."""
    steady = sweeps_of(lambda place, strength: strength if place % 8 == 0 else strength**3)
    lazy = sweeps_of(lambda place, strength: strength if place % 8 == 0 else 0.5)
    forth, back = (
        compare(*pair, bootstrap=FEW).differences["cls_12"] for pair in permutations((steady, lazy))
    )
    assert (forth.a, forth.b) == (back.b, back.a) == (pytest.approx(1), pytest.approx(1))
    assert forth.coverage.unscored == {ONLY_OTHER_VALUE: 42}
    assert back.coverage.unscored == {CONSTANT: 42}
    assert (forth.coverage.num_scored, forth.coverage.num_samples) == (6, 6)
    unlike = [edit("a", "happy", "happy"), edit("b", "happy", "sad")]
    tied = [
        edit("a", "happy", "happy"),
        scored_edit("b", "happy", scores=dict.fromkeys(EXPRESSIONS, 1.0)),
    ]
    ties = compare(unlike, tied, MetricChoices(ties="unscored"), FEW).differences["acc_12"]
    assert (ties.a, ties.b, ties.coverage.unscored) == (1, 1, {ONLY_OTHER_VALUE: 1})


def test_comparison_refuses_other_samples():
    a = [edit("a", "happy", "happy"), edit("b", "sad", "sad")]
    with pytest.raises(InputError, match=r"2 edits are of one editor alone \(b sad at 1, c sad at 1\)"):
        compare(a, [a[0], edit("c", "sad", "sad")])
    with pytest.raises(InputError, match="of one editor alone"):
        compare(a, [a[0], edit("b", "sad", "sad", strength=0.5)])
    with pytest.raises(InputError, match="measured with adaface, arcface, facenet and with nothing"):
        compare(a, [edit("a", "happy", "happy", identity=None), edit("b", "sad", "sad", identity=None)])
