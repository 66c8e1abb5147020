"""Labels, confusion (Eq. 1 and 2) and accuracy: worked out by hand, and against scikit-learn."""

from fractions import Fraction

import numpy as np
import pytest
from edit_examples import REFUSED, edit, general_jobs, scored_edit, shown_edits
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.confusion import (
    NOT_NAMED,
    PREDICTIONS,
    TIE,
    accuracy,
    accuracy_measure,
    bidirectional_confusion,
    confusion_rates,
    directed_confusion,
    dominant_labels,
    label_counts,
    mean_confusion,
    mean_confusion_measure,
    pair_measures,
)
from pixelsmile.benchmarks.metrics.table import tabulate
from pixelsmile.expressions import BASIC_SIX, CONFUSING_PAIRS, EXPRESSIONS, NEUTRAL, confusing_partner

DEFAULTS = MetricChoices()


def counts_of(edits, choices=DEFAULTS):
    table = tabulate(edits)
    return label_counts(table, dominant_labels(table, choices), choices.confusion_strengths)


JOBS = [
    ("fear", "fear"), ("fear", "surprised"), ("fear", "surprised"), ("fear", None),
    ("surprised", "fear"), ("surprised", "surprised"),
    ("angry", "angry"), ("angry", "angry"), ("angry", "sad"),
    ("disgust", "angry"), ("disgust", "disgust"), ("disgust", "disgust"), ("disgust", NEUTRAL),
    ("shy", "shy"), ("sleepy", "shy"),
]  # fmt: skip


def test_confusion_by_hand():
    counts = counts_of(shown_edits(JOBS))
    assert directed_confusion(counts, "fear", "surprised") == pytest.approx(Fraction(2, 3))
    assert directed_confusion(counts, "surprised", "fear") == Fraction(1, 2)
    assert bidirectional_confusion(counts, "fear", "surprised") == pytest.approx(Fraction(7, 12))
    assert bidirectional_confusion(counts, "angry", "disgust") == Fraction(1, 8)
    assert mean_confusion(counts, CONFUSING_PAIRS) == pytest.approx(float(Fraction(17, 48)))


def test_accuracy_by_hand():
    counts = counts_of(shown_edits(JOBS))
    assert accuracy(counts, BASIC_SIX) == pytest.approx(Fraction(1 + 1 + 2 + 2, 3 + 2 + 3 + 4))
    assert accuracy(counts, EXPRESSIONS) == pytest.approx(Fraction(7, 14))


def test_what_the_numbers_rest_on():
    table = tabulate(shown_edits(JOBS))
    labels = dominant_labels(table, DEFAULTS)
    mscr = mean_confusion_measure(table, labels, DEFAULTS)
    assert mscr.value() == pytest.approx(17 / 48)
    assert (mscr.coverage.num_scored, mscr.coverage.num_samples) == (12, 12)
    assert mscr.coverage.unscored == {REFUSED: 1}
    acc_12 = accuracy_measure(table, labels, DEFAULTS, EXPRESSIONS)
    assert (acc_12.value(), acc_12.coverage.num_scored) == (0.5, 14)
    pairs = pair_measures(table, labels, DEFAULTS)
    assert list(pairs) == [
        "fear-surprised", "fear->surprised", "surprised->fear",
        "angry-disgust", "angry->disgust", "disgust->angry",
    ]  # fmt: skip
    assert pairs["disgust->angry"].value() == 0.25
    assert pairs["surprised->fear"].coverage.num_scored == 2


def test_against_scikit_learn():
    rng = np.random.default_rng(0)
    jobs = [
        (str(a), str(b))
        for a, b in zip(rng.choice(EXPRESSIONS, 300), rng.choice(PREDICTIONS, 300), strict=True)
    ]
    counts = counts_of(shown_edits(jobs))
    targets, shown = zip(*jobs, strict=True)
    expected = confusion_matrix(targets, shown, labels=PREDICTIONS)[: len(EXPRESSIONS)]
    np.testing.assert_array_equal(counts, expected)
    normalised = confusion_matrix(targets, shown, labels=PREDICTIONS, normalize="true")[: len(EXPRESSIONS)]
    np.testing.assert_allclose(confusion_rates(counts), normalised)
    assert accuracy(counts, EXPRESSIONS) == pytest.approx(accuracy_score(targets, shown))
    six = [(target, label) for target, label in jobs if target in BASIC_SIX]
    assert accuracy(counts, BASIC_SIX) == pytest.approx(accuracy_score(*zip(*six, strict=True)))


def test_a_class_without_edits_leaves_mscr_undefined():
    jobs = [job for job in JOBS if job[0] != "disgust"]
    counts = counts_of(shown_edits(jobs))
    assert directed_confusion(counts, "angry", "disgust") == 0
    assert np.isnan(directed_confusion(counts, "disgust", "angry"))
    assert np.isnan(bidirectional_confusion(counts, "angry", "disgust"))
    assert np.isnan(mean_confusion(counts, CONFUSING_PAIRS))
    assert mean_confusion(counts, CONFUSING_PAIRS[:1]) == pytest.approx(7 / 12)


def test_all_verdicts_missing():
    counts = counts_of(shown_edits([("fear", None), ("happy", None)]))
    assert counts.sum() == 0
    assert np.isnan(accuracy(counts, EXPRESSIONS))
    assert np.isnan(mean_confusion(counts, CONFUSING_PAIRS))


def tie_of(target, tied, sample="s"):
    scores = {name: 0.7 if name in tied else 0.2 for name in EXPRESSIONS}
    return scored_edit(sample, target, scores=scores)


@pytest.mark.parametrize(
    ("ties", "as_fear", "as_surprised"),
    [("split", 0.5, 0.5), ("target", 1, 0), ("other", 0, 1), ("unscored", 0, 0)],
)
def test_ties(ties, as_fear, as_surprised):
    choices = MetricChoices(ties=ties)
    table = tabulate([tie_of("fear", ("fear", "surprised"))])
    labels = dominant_labels(table, choices)
    row = counts_of([tie_of("fear", ("fear", "surprised"))], choices)[EXPRESSIONS.index("fear")]
    assert row[PREDICTIONS.index("fear")] == as_fear
    assert row[PREDICTIONS.index("surprised")] == as_surprised
    assert labels.reasons == (TIE if ties == "unscored" else None,)


@pytest.mark.parametrize("ties", ["split", "target", "other"])
def test_a_tie_of_others_is_shared_out(ties):
    row = counts_of([tie_of("happy", ("fear", "surprised", "sad"))], MetricChoices(ties=ties))
    assert row[EXPRESSIONS.index("happy")].sum() == pytest.approx(1)
    assert row[EXPRESSIONS.index("happy"), PREDICTIONS.index("sad")] == pytest.approx(1 / 3)


def test_a_face_without_expression_is_wrong_but_not_confused():
    counts = counts_of(shown_edits([("fear", NEUTRAL)]))
    assert accuracy(counts, EXPRESSIONS) == 0
    assert directed_confusion(counts, "fear", "surprised") == 0
    faint = [edit("s", "fear", "fear", score=0.15)]
    assert accuracy(counts_of(faint), EXPRESSIONS) == 1
    assert accuracy(counts_of(faint, MetricChoices(neutral_at_most=0.15)), EXPRESSIONS) == 0


def test_the_judges_own_word():
    scores = {name: 0.5 if name == "fear" else 0.1 for name in EXPRESSIONS}
    named = scored_edit("a", "fear", scores=scores, dominant="surprised")
    silent = scored_edit("b", "fear", scores=scores)
    table = tabulate([named, silent])
    labels = dominant_labels(table, MetricChoices(dominant="judge"))
    assert labels.reasons == (None, NOT_NAMED)
    counts = counts_of([named, silent], MetricChoices(dominant="judge"))
    assert directed_confusion(counts, "fear", "surprised") == 1
    assert accuracy(counts_of([named, silent]), EXPRESSIONS) == 1


def test_labels_are_taken_at_the_chosen_strength():
    edits = [
        edit("a", "fear", "surprised", 0.5), edit("a", "fear", "fear", 1.0), edit("a", "fear", "sad", 1.5),
        edit("b", "fear", "fear", 0.5),
    ]  # fmt: skip
    table = tabulate(edits)

    def at(strengths):
        choices = MetricChoices(accuracy_strengths=strengths)
        return accuracy_measure(table, dominant_labels(table, choices), choices, EXPRESSIONS)

    assert (at(1.0).value(), dict(at(1.0).coverage.unscored)) == (1, {"no edit at strength 1.0": 1})
    assert at("largest").value() == 0
    assert at("all").value() == at("positive").value() == 0.5
    assert np.isnan(at(2.0).value())
    assert dict(at(2.0).coverage.unscored) == {"no edit at strength 2.0": 2}


@pytest.mark.parametrize("ties", ["split", "target", "other", "unscored"])
def test_known_editors(ties):
    choices = MetricChoices(ties=ties)
    pairs = [name for pair in CONFUSING_PAIRS for name in pair]
    perfect = counts_of(shown_edits([(name, name) for name in EXPRESSIONS]), choices)
    assert (accuracy(perfect, EXPRESSIONS), mean_confusion(perfect, CONFUSING_PAIRS)) == (1, 0)
    lazy = counts_of(shown_edits([(name, NEUTRAL) for name in EXPRESSIONS]), choices)
    assert (accuracy(lazy, EXPRESSIONS), mean_confusion(lazy, CONFUSING_PAIRS)) == (0, 0)
    swapped = counts_of(shown_edits([(name, confusing_partner(name)) for name in pairs]), choices)
    assert (accuracy(swapped, BASIC_SIX), mean_confusion(swapped, CONFUSING_PAIRS)) == (0, 1)
    collapsed = counts_of(
        shown_edits([(name, pair[0]) for pair in CONFUSING_PAIRS for name in pair]), choices
    )
    assert mean_confusion(collapsed, CONFUSING_PAIRS) == 0.5


@settings(max_examples=50, deadline=None)
@given(general_jobs(), st.randoms(use_true_random=False))
def test_properties(jobs, random):
    edits = shown_edits(jobs)
    counts = counts_of(edits)
    for a, b in (("fear", "surprised"), ("happy", "sad")):
        there, back = bidirectional_confusion(counts, a, b), bidirectional_confusion(counts, b, a)
        assert np.isnan(there) == np.isnan(back)
        assert np.isnan(there) or (0 <= there == back <= 1)
    rate = accuracy(counts, EXPRESSIONS)
    assert np.isnan(rate) == (counts.sum() == 0)
    assert np.isnan(rate) or 0 <= rate <= 1
    shuffled = random.sample(edits, len(edits))
    np.testing.assert_array_equal(counts_of(shuffled), counts)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=12, max_size=12), min_size=1, max_size=12))
def test_tie_rules_bracket_each_other(rows):
    edits = [
        scored_edit(
            f"s{n:02}", EXPRESSIONS[n], scores={name: v / 4 for name, v in zip(EXPRESSIONS, row, strict=True)}
        )
        for n, row in enumerate(rows)
    ]
    low, middle, high = (
        accuracy(counts_of(edits, MetricChoices(ties=ties)), EXPRESSIONS)
        for ties in ("other", "split", "target")
    )
    assert low <= middle + 1e-12
    assert middle <= high + 1e-12
