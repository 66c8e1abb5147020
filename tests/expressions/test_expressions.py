import contextlib
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.errors import ExpressionError, StrengthError
from pixelsmile.expressions import (
    BASIC_SIX,
    CONFUSING_PAIRS,
    EXPRESSIONS,
    FED_BENCH_CLASSES,
    JUDGE_LABELS,
    NEUTRAL,
    SYNONYMS,
    TAXONOMY,
    check_strengths,
    confusing_partner,
    format_blend,
    neutral_prompt,
    parse_blend,
    parse_expression,
    parse_strength,
    target_prompt,
)


def test_taxonomy_is_the_papers():
    assert len(EXPRESSIONS) == len(set(EXPRESSIONS)) == len(JUDGE_LABELS) == 12
    assert set(BASIC_SIX) < set(EXPRESSIONS)
    assert len(FED_BENCH_CLASSES) == 7
    assert set(FED_BENCH_CLASSES.values()) == {*BASIC_SIX, NEUTRAL}
    assert CONFUSING_PAIRS == (("fear", "surprised"), ("angry", "disgust"))


def test_no_synonym_belongs_to_two_expressions():
    synonyms = [synonym for expression in TAXONOMY for synonym in expression.synonyms]
    assert len(synonyms) == len(set(synonyms))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("smile", "happy"),
        ("Joy", "happy"),
        (" anger ", "angry"),
        ("tired", "sleepy"),
        ("Embarrassment", "shy"),
        ("nervousness", "anxious"),
        ("neutral", NEUTRAL),
    ],
)
def test_synonyms(typed, name):
    assert parse_expression(typed) == name


@pytest.mark.parametrize(("typed", "nearest"), [("hapy", "happy"), ("surprized", "surprised")])
def test_unknown_expression_lists_the_nearest(typed, nearest):
    with pytest.raises(ExpressionError, match=f"unknown expression '{typed}': did you mean .*{nearest}"):
        parse_expression(typed)


def test_hopeless_expression_lists_all():
    with pytest.raises(ExpressionError, match="choose from angry, confused"):
        parse_expression("qqqq")


def test_blend():
    assert parse_blend("happy=0.6,surprised=0.4") == {"happy": 0.6, "surprised": 0.4}
    assert parse_blend("smile") == {"happy": 1.0}


BAD_BLENDS = ("", "happy=0.6,", "happy=.5,smile=.5", "happy=,sad=1", "happy=x", "happy=nan", "happy=-1", "=1")


@pytest.mark.parametrize("text", [*BAD_BLENDS, "happy=3", "neutral=0.5,happy=0.5"])
def test_bad_blends(text):
    with pytest.raises((ExpressionError, StrengthError)) as error:
        parse_blend(text)
    assert "\n" not in str(error.value)


@given(st.dictionaries(st.sampled_from(EXPRESSIONS), st.integers(0, 200).map(lambda n: n / 100), min_size=1))
def test_blend_round_trip(weights):
    if any(weights.values()):
        assert parse_blend(format_blend(weights)) == weights
    else:
        with pytest.raises(ExpressionError, match=r"all weights of blend .* are 0"):
            parse_blend(format_blend(weights))


@given(st.text(max_size=30))
def test_parsing_never_crashes(text):
    with contextlib.suppress(ExpressionError, StrengthError):
        assert set(parse_blend(text)) <= set(EXPRESSIONS)


@given(st.sampled_from(sorted(SYNONYMS)))
def test_every_synonym_parses(word):
    assert parse_expression(word.upper()) in (*EXPRESSIONS, NEUTRAL)


def test_strengths():
    assert check_strengths([0, 0.5, 2]) == (0.0, 0.5, 2.0)
    for bad in ([], [math.nan], [math.inf], [-0.1], [2.1], [True], ["1"]):
        with pytest.raises(StrengthError):
            check_strengths(bad)
    with pytest.raises(StrengthError, match="not a number"):
        parse_strength("much")


def test_rows_of_numbers_are_strengths():
    for row in (np.linspace(0, 1, 3), np.float32([0, 0.5, 1]), iter([0, 0.5, 1]), (0, np.float64(0.5), 1)):
        checked = check_strengths(row)
        assert checked == (0.0, 0.5, 1.0)
        assert {type(strength) for strength in checked} == {float}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (0.5, "not 0.5 alone: write [0.5]"),
        (1, "not 1 alone: write [1]"),
        (np.float64(0.5), "alone: write [0.5]"),
        (np.array(0.5), "must be a list of numbers"),
        ("0.5", "must be a list of numbers, not '0.5'"),
        (None, "must be a list of numbers, not None"),
        (True, "must be a list of numbers, not True"),
        ({0.5: 1}, "must be a list of numbers"),
        ({0.5}, "must be a list of numbers"),
        (np.zeros((2, 2)), "strength must be a number"),
        ([[0.5]], "strength must be a number"),
        (np.array([True]), "strength must be a number"),
        ([10**400], "out of range"),
    ],
    ids=repr,
)
def test_what_is_no_row_of_numbers(given, line):
    with pytest.raises(StrengthError, match=re.escape(line)):
        check_strengths(given)


@pytest.mark.parametrize("given", [None, 5, ["happy"], b"happy"])
def test_names_are_text(given):
    with pytest.raises(ExpressionError, match="must be a name like 'happy'"):
        parse_expression(given)


def test_prompts():
    assert target_prompt("happy") == "Edit the person to show a happy expression"
    assert neutral_prompt("anime") == "Edit the character to show a neutral expression"
    with pytest.raises(ExpressionError, match="unknown domain"):
        neutral_prompt("robot")  # type: ignore[arg-type]


def test_confusing_partner():
    assert confusing_partner("fear") == "surprised"
    assert confusing_partner("surprised") == "fear"
    assert confusing_partner("happy") is None
