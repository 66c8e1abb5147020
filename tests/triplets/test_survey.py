"""Triplets counted, and their pictures looked at."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS
from pixelsmile.faces.face import Box
from pixelsmile.triplets.survey import inspect_pictures, survey_triplets
from pixelsmile.triplets.triplet import Landmarks, SourceImage, Target, Triplet

POINTS: Landmarks = ((20, 20), (40, 20), (30, 30), (22, 40), (38, 40))


def target(
    name: str, expression: str, strength: float, box: Box | None = None, points: Landmarks | None = None
):
    return Target(Path(name), expression, {expression: strength}, box, points)


def test_everything_is_counted() -> None:
    source = SourceImage(Path("s"))
    fear, shy = target("f", "fear", 0.2, (0, 0, 9, 9), POINTS), target("h", "shy", 0.6, None, POINTS)
    triplets = [
        Triplet(source, fear, target("u", "surprised", 1.0), identity="p"),
        Triplet(source, target("u", "surprised", 1.0), target("f2", "fear", 0.4), identity="p"),
        Triplet(source, shy, fear, "anime", "p"),
        Triplet(source, shy, fear),
    ]
    survey = survey_triplets(triplets)
    assert (survey.num_triplets, survey.num_targets, survey.num_pictures) == (4, 8, 5)
    assert (survey.num_identities, survey.num_nameless) == (2, 1)  # p of the one domain is not p of the other
    assert survey.domains == {"human": 3, "anime": 1}
    assert survey.pairs == {("fear", "surprised"): 2, ("fear", "shy"): 2}
    assert (survey.num_boxes, survey.num_landmarks) == (3, 5)
    assert list(survey.strengths) == ["fear", "shy", "surprised"]
    assert survey.strengths["fear"].quartiles == pytest.approx((0.2, 0.2, 0.2, 0.25, 0.4))
    assert survey.strengths["shy"].num_targets == 2
    # 0.2 0.2 0.2 0.4 0.6 0.6 1.0 1.0: the quartiles lie at places 1.75, 3.5 and 5.25, counted from 0
    assert survey.all_strengths.quartiles == pytest.approx((0.2, 0.2, 0.5, 0.7, 1.0))
    record = survey.to_record()
    assert record["pairs"] == {"fear-surprised": 2, "fear-shy": 2}
    assert record["domains"] == {"human": 3, "anime": 1}


def test_instructions_are_counted_once_each_and_have_no_pairs() -> None:
    source, rest = SourceImage(Path("s")), Target(Path("n"), "neutral", {})
    triplets = [
        Triplet(source, target("f", "fear", 0.5), instruction="Look afraid."),
        Triplet(source, target("g", "fear", 0.7), instruction="Look afraid."),
        Triplet(source, rest, instruction="Let the whole face rest."),
    ]
    survey = survey_triplets(triplets)
    assert (survey.num_targets, survey.num_pictures, survey.num_instructions) == (3, 4, 2)
    assert survey.num_words == {2: 1, 5: 1}
    assert survey.pairs == {}
    assert {name: found.num_targets for name, found in survey.strengths.items()} == {"fear": 2, "neutral": 1}
    assert survey.to_record()["num_instructions"] == 2


def test_no_triplets_are_refused() -> None:
    with pytest.raises(InputError, match="no triplets to count"):
        survey_triplets([])


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(EXPRESSIONS), min_size=2, max_size=2, unique=True),
            st.floats(0, 1),
            st.sampled_from(DOMAINS),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_counts_add_up_and_quartiles_rise(rows) -> None:
    triplets = [
        Triplet(
            SourceImage(Path("s")), target("a", first, strength), target("b", second, 1 - strength), domain
        )
        for (first, second), strength, domain in rows
    ]
    survey = survey_triplets(triplets)
    assert sum(survey.pairs.values()) == sum(survey.domains.values()) == len(rows)
    assert sum(found.num_targets for found in survey.strengths.values()) == survey.num_targets
    for found in (*survey.strengths.values(), survey.all_strengths):
        assert all(0 <= value <= 1 for value in found.quartiles)
        assert all(b >= a - 1e-12 for a, b in zip(found.quartiles, found.quartiles[1:], strict=False))


@pytest.mark.parametrize(
    ("box", "points", "problem"),
    [
        (None, None, None),
        ((-3.0, -3.0, 64.0, 70.0), POINTS, None),  # a face at the border
        ((64.0, 0.0, 90.0, 40.0), None, r"the face box \(64.0, 0.0, 90.0, 40.0\) of '.*a.png' lies outside"),
        (None, ((20.0, 64.5), *POINTS[1:]), "a landmark of '.*a.png' lies outside of its 96 x 64 pixels"),
        ((0.0, -9.0, 9.0, 0.0), POINTS, "the face box"),
    ],
)
def test_faces_lie_in_their_pictures(tmp_path: Path, box, points, problem: str | None) -> None:
    for name, size in (("s.png", (64, 64)), ("a.png", (96, 64) if points else (64, 64)), ("b.png", (32, 32))):
        Image.new("RGB", size).save(tmp_path / name)
    triplet = Triplet(
        SourceImage(tmp_path / "s.png"),
        target(str(tmp_path / "a.png"), "fear", 0.5, box, points),
        target(str(tmp_path / "b.png"), "shy", 0.5),
    )
    found = list(inspect_pictures([triplet, triplet]))
    assert [(event.done, event.num_pictures) for event in found] == [(1, 3), (2, 3), (3, 3)]
    assert [event.problem is None for event in found] == [True, problem is None, True]
    if problem is not None:
        with pytest.raises(InputError, match=problem):
            raise InputError(found[1].problem)


def test_a_picture_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.png").write_bytes(b"text")
    triplet = Triplet(SourceImage(tmp_path / "s.png"), target("none", "fear", 1), target("none", "shy", 1))
    first, second = inspect_pictures([triplet])
    assert first.problem is not None
    assert "damaged, or no picture of a known format" in first.problem
    assert second.problem == "there is no file 'none': check the path"
