"""Instructions: every movement is mentioned, once, and as far as it goes."""

import re

import pytest

from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.expressions import FED_BENCH_CLASSES, NEUTRAL
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits
from pixelsmile.portraits.instructions import (
    LEAST_MENTIONED,
    MOVEMENTS,
    dense_instruction,
    movement_phrases,
    simple_instruction,
)

CLASSES = tuple(FED_BENCH_CLASSES.values())
REST = DrawnPortrait(1, "human", NEUTRAL, 0.0, 0)


def dense(source, truth):
    return dense_instruction(source.expression, truth.expression, truth.units, truth.strength)


def simple(truth):
    return simple_instruction(truth.expression, truth.domain)


def unit_names():
    return list(ActionUnits.__dataclass_fields__)


def unit_phrases(name):
    return [
        (key, movement)
        for movements in MOVEMENTS.values()
        for key, movement in movements.items()
        if key.rstrip("+-") == name
    ]


def test_every_unit_has_words_of_its_own():
    for name in unit_names():
        signs = {key.removeprefix(name) for key, _ in unit_phrases(name)}
        assert signs in ({""}, {"+", "-"})
    every = [movement.words for movements in MOVEMENTS.values() for movement in movements.values()]
    assert len(set(every)) == len(every)
    assert all(words.count("{}") == 1 for words in every)


def every_truth():
    for expression in CLASSES:
        for variant in range(NUM_VARIANTS):
            for strength in (0.6, 0.8, 1.0):
                yield DrawnPortrait(1, "human", expression, strength, variant)


@pytest.mark.parametrize(
    "truth", list(every_truth()), ids=lambda t: f"{t.expression} {t.strength} {t.variant}"
)
def test_every_active_unit_is_mentioned(truth):
    text = dense(REST, truth).lower()
    for name in unit_names():
        value = getattr(truth.units, name)
        for key, movement in unit_phrases(name):
            before, after = (re.escape(part) for part in movement.words.split("{}"))
            said = re.search(f"{before}[a-z ]*{after}", text) is not None
            assert said == ((-value if key.endswith("-") else value) > LEAST_MENTIONED), key


def test_other_truths_have_other_words():
    moving = [truth for truth in every_truth() if truth.expression != NEUTRAL]
    assert len({dense(REST, truth) for truth in moving}) == len(moving) == 54
    assert len({simple(truth) for truth in every_truth()}) == 7
    happy = DrawnPortrait(1, "human", "happy", 1.0, 0)
    assert dense(REST, happy) == dense(REST, happy)
    assert movement_phrases(ActionUnits()) == []


def test_what_the_words_say():
    angry, neutral = DrawnPortrait(1, "human", "angry", 0.7, 0), DrawnPortrait(1, "human", NEUTRAL, 0.0, 0)
    happy = DrawnPortrait(1, "anime", "happy", 1.0, 2)
    assert simple(happy) == "Make the character look happy."
    assert simple(DrawnPortrait(1, "human", "fear", 1.0, 0)) == "Make the person look afraid."
    assert dense(angry, happy) == (
        "Let go of the expression of anger. "
        "Lift the cheeks clearly so that they push up the lower eyelids and redden the cheeks a little. "
        "Pull the corners of the mouth up wide into a smile and dimple the cheeks beside the mouth. "
        "The result is a full expression of happiness. "
        "Keep the identity, the pose, the hair, the clothes, the lighting and the background as they are."
    )
    at_rest = dense(angry, neutral)
    assert at_rest.startswith("Let go of the expression of anger. Let the whole face rest: brows level")
    assert "The result is a restrained but clear expression of anger." in dense(
        neutral, DrawnPortrait(1, "human", "angry", 0.6, 0)
    )
