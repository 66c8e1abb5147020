"""What a triplet may be."""

from pathlib import Path

import pytest

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet, one_hot_scores

SOURCE = SourceImage(Path("s.png"))
FEAR = Target(Path("a.png"), "fear", {"fear": 0.8, "surprised": 0.9})


def test_the_strength_is_the_score_for_its_own_expression_not_the_highest() -> None:
    assert FEAR.strength == 0.8


def test_images_come_as_source_a_b() -> None:
    triplet = Triplet(SOURCE, FEAR, Target(Path("b.png"), "sad", {"sad": 0.0}))
    assert triplet.images == (Path("s.png"), Path("a.png"), Path("b.png"))


@pytest.mark.parametrize(
    ("expression", "scores", "message"),
    [
        ("neutral", {"neutral": 0.0}, "'a.png' shows 'neutral'"),
        ("Fear", {"fear": 0.5}, "'a.png' shows 'Fear'"),
        ("fear", {"sad": 0.5}, "no score for its own expression fear"),
        ("fear", {"fear": 1.01}, "a score of 1.01 for fear"),
        ("fear", {"fear": 0.5, "sad": -0.1}, "a score of -0.1 for sad"),
        ("fear", {"fear": float("nan")}, "a score of nan for fear"),
        ("fear", {"fear": 0.5, "glee": 0.1}, "a score for 'glee'"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(
    expression: str, scores: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Target(Path("a.png"), expression, scores)


def test_two_targets_of_one_expression_are_refused() -> None:
    with pytest.raises(InputError, match=r"both targets of 's\.png' show fear"):
        Triplet(SOURCE, FEAR, Target(Path("b.png"), "fear", {"fear": 0.1}))


def test_one_hot_scores() -> None:
    scores = one_hot_scores("shy", 0.75)
    assert set(scores) == set(EXPRESSIONS)
    assert scores.pop("shy") == 0.75
    assert set(scores.values()) == {0.0}
    assert set(one_hot_scores("neutral", 1.0).values()) == {0.0}
