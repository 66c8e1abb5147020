"""Triplets from annotated pictures."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelsmile.cli.triplets_pair import report_lines
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL
from pixelsmile.triplets.annotated import AnnotatedPicture
from pixelsmile.triplets.pairing import PairingSettings, Reason, build_triplets, measure_overlaps, ordered
from pixelsmile.triplets.triplet import Triplet


def shown(name: str, expression: str, identity: str = "p", **scores: float) -> AnnotatedPicture:
    """A picture with these scores, and 0 for the other expressions."""
    return AnnotatedPicture(Path(name), identity, expression, {**dict.fromkeys(EXPRESSIONS, 0.0), **scores})


def clear(expression: str, identity: str = "p", number: int = 0) -> AnnotatedPicture:
    """A picture that shows one expression and nothing else."""
    return shown(f"{identity}-{expression}-{number}", expression, identity, **{expression: 1.0})


def neutral(identity: str = "p") -> AnnotatedPicture:
    return shown(f"{identity}-neutral", NEUTRAL, identity)


def pair(triplet: Triplet) -> tuple[str, str]:
    return ordered(triplet.a.expression, triplet.b.expression)


def reasons(pictures: list[AnnotatedPicture], choices: PairingSettings | None = None) -> dict[str, Reason]:
    left_out = build_triplets(pictures, choices).left_out
    return {str(image): reason for image, reason in left_out.items()}


def test_confusing_pairs_come_first_then_overlapping_ones_then_the_rest() -> None:
    pictures = [
        neutral(),
        *(clear(name) for name in ("fear", "surprised", "angry", "disgust", "sleepy", "happy")),
        shown("s", "sad", sad=0.8, shy=0.3),
        shown("y", "shy", shy=0.8, sad=0.1),
    ]
    for seed in range(5):
        triplets = build_triplets(pictures, PairingSettings(uses_per_picture=1), seed=seed).triplets
        found = [pair(triplet) for triplet in triplets]
        assert set(found[:2]) == {("fear", "surprised"), ("angry", "disgust")}
        assert found[2:] == [("sad", "shy"), ("happy", "sleepy")]


def test_overlap_is_the_mean_score_for_each_other() -> None:
    pictures = [
        shown("1", "sad", sad=1, shy=0.4),
        shown("2", "sad", sad=1, shy=0.2),
        shown("3", "shy", shy=1, sad=0.1),
    ]
    overlaps = measure_overlaps(pictures)
    assert overlaps["sad", "shy"] == pytest.approx((0.3 + 0.1) / 2)
    assert overlaps["angry", "sad"] == 0
    assert len(overlaps) == 66


def test_the_triplet_carries_the_annotation() -> None:
    box, points = (1.0, 2.0, 3.0, 4.0), ((0.0, 1.0),) * 5
    scores = dict.fromkeys(EXPRESSIONS, 0.1)
    pictures = [
        AnnotatedPicture(Path("n"), "p7", NEUTRAL, scores, "anime", box),
        AnnotatedPicture(Path("f"), "p7", "fear", {**scores, "fear": 0.7}, "anime", None, points),
        AnnotatedPicture(Path("s"), "p7", "surprised", {**scores, "surprised": 0.9}, "anime", box, points),
    ]
    (triplet,) = build_triplets(pictures).triplets
    assert (triplet.domain, triplet.identity, triplet.source.image) == ("anime", "p7", Path("n"))
    assert triplet.source.face_box == box
    fear, surprised = sorted((triplet.a, triplet.b), key=lambda target: target.expression)
    assert (fear.strength, fear.scores["sad"], fear.face_box, fear.landmarks_5) == (0.7, 0.1, None, points)
    assert (surprised.strength, surprised.face_box) == (0.9, box)


def test_each_reason_to_leave_a_picture_out() -> None:
    pictures = [
        neutral(),
        clear("fear"),
        clear("sad"),
        clear("shy"),
        shown("weak", "happy", happy=0.19, shy=0.5),
        shown("ambiguous", "happy", happy=0.6, confident=0.55),
        shown("smiling", NEUTRAL, happy=0.21),
        shown("low", "happy", happy=0.1),
        clear("fear", "alone"),
        clear("fear", "single"),
        neutral("single"),
    ]
    choices = PairingSettings(min_margin=0.1, uses_per_picture=1)
    found = reasons(pictures, choices)
    odd_one = found.keys() & {"p-fear-0", "p-sad-0", "p-shy-0"}
    spare = found.keys() & {"p-neutral", "low"}
    assert (len(odd_one), len(spare)) == (1, 1)
    assert found == {
        odd_one.pop(): Reason.NO_PARTNER,
        spare.pop(): Reason.SPARE_SOURCE,
        "weak": Reason.WEAK,
        "ambiguous": Reason.AMBIGUOUS,
        "smiling": Reason.NOT_NEUTRAL,
        "alone-fear-0": Reason.NO_SOURCE,
        "single-fear-0": Reason.ONE_EXPRESSION,
        "single-neutral": Reason.ONE_EXPRESSION,
    }


@pytest.mark.parametrize(("own", "other", "kept"), [(0.5, 0.4, True), (0.5, 0.41, False), (0.3, 0.1, True)])
def test_the_filters_let_their_bounds_through(own: float, other: float, kept: bool) -> None:
    pictures = [
        shown("n", NEUTRAL, happy=0.25),
        clear("sad"),
        shown("h", "happy", happy=own, confident=other),
    ]
    choices = PairingSettings(min_score=0.3, min_margin=0.1, max_source_score=0.25)
    assert len(build_triplets(pictures, choices).triplets) == kept


def test_a_picture_is_used_no_more_often_than_wanted_and_the_same_two_only_once() -> None:
    pictures = [neutral(), *(clear(name, number=n) for name in ("fear", "surprised") for n in range(3))]
    for uses, least, most in ((1, 3, 3), (2, 5, 6), (5, 9, 9)):
        triplets = build_triplets(pictures, PairingSettings(uses_per_picture=uses)).triplets
        counts = Counter(target.image for triplet in triplets for target in (triplet.a, triplet.b))
        assert len({frozenset(triplet.images[1:]) for triplet in triplets}) == len(triplets)
        assert least <= len(triplets) <= most
        assert len(counts) == 6
        assert max(counts.values()) <= uses


def test_expressions_are_balanced_over_all_people() -> None:
    """Each person has one triplet to give, of four expressions that are alike to the rules."""
    names = ("happy", "sleepy", "shy", "confused")
    pictures = [neutral(person) for person in map(str, range(40))]
    pictures += [clear(name, person) for person in map(str, range(40)) for name in names]
    pictures = [p for p in pictures if p.identity != "0" or p.expression in ("happy", "shy", NEUTRAL)]
    first_round = build_triplets(pictures, PairingSettings(uses_per_picture=1), seed=3).triplets[:40]
    counts = Counter(target.expression for triplet in first_round for target in (triplet.a, triplet.b))
    assert max(counts.values()) - min(counts.values()) <= 2
    sides = Counter(triplet.a.expression for triplet in first_round)
    assert all(0 < sides[name] < counts[name] for name in names)


def test_sources_take_turns() -> None:
    pictures = [shown(f"n{n}", NEUTRAL) for n in range(3)]
    pictures += [clear(name, number=n) for name in ("fear", "surprised") for n in range(6)]
    triplets = build_triplets(pictures, PairingSettings(uses_per_picture=1)).triplets
    assert set(Counter(triplet.source.image for triplet in triplets).values()) == {2}


def test_the_seed_settles_everything() -> None:
    pictures = [neutral(), *(clear(name, number=n) for name in EXPRESSIONS for n in range(3))]
    first, again, other = (build_triplets(pictures, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.triplets != other.triplets


def test_the_same_picture_twice_is_refused() -> None:
    with pytest.raises(InputError, match="'p-fear-0' is annotated twice"):
        build_triplets([clear("fear"), neutral(), clear("fear")])


def test_no_pictures_make_no_triplets() -> None:
    pairing = build_triplets([])
    assert pairing.triplets == ()
    assert next(report_lines(pairing)).startswith("0 triplets from 0 pictures of 0 people")


@pytest.mark.parametrize("choice", [{"min_score": 1.5}, {"min_margin": -0.1}, {"uses_per_picture": 0}])
def test_choices_that_make_no_sense_are_refused(choice: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(choice))):
        PairingSettings(**choice)  # type: ignore[arg-type]


def test_the_report_reads_well() -> None:
    pictures = [neutral(), clear("fear"), clear("surprised"), clear("angry", "q"), shown("w", "sad", sad=0.1)]
    pictures[-1] = shown("w", "sad", sad=0.1, shy=0.5)
    report = build_triplets(pictures)
    assert list(report_lines(report)) == [
        "1 triplet from 5 pictures of 2 people; 2 pictures left out",
        "  1 left out: it is of a person without a source (the first is 'q-angry-0')",
        "  1 left out: it shows too little of its own expression (the first is 'w')",
        "targets: angry 0, confused 0, contempt 0, confident 0, disgust 0, fear 1, happy 0, sad 0, shy 0, "
        "sleepy 0, surprised 1, anxious 0",
        "pairs: fear-surprised 1",
    ]
    record = report.to_record()
    assert record["left_out"] == {str(Reason.WEAK): 1, str(Reason.NO_SOURCE): 1}
    assert record["num_triplets"] == 1


@st.composite
def annotated(draw: st.DrawFn) -> list[AnnotatedPicture]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from("pqr"),
                st.sampled_from((*EXPRESSIONS[:4], NEUTRAL)),
                st.sampled_from(DOMAINS),
                st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.8]), min_size=4, max_size=4),
            ),
            max_size=20,
        )
    )
    return [
        AnnotatedPicture(
            Path(str(number)),
            identity,
            expression,
            {**dict.fromkeys(EXPRESSIONS, 0.0), **dict(zip(EXPRESSIONS, scores, strict=False))},
            domain,
        )
        for number, (identity, expression, domain, scores) in enumerate(rows)
    ]


@settings(max_examples=60, deadline=None)
@given(annotated(), st.integers(1, 3), st.integers(0, 3))
def test_every_picture_is_in_a_triplet_or_left_out_for_a_reason(
    pictures: list[AnnotatedPicture], uses: int, seed: int
) -> None:
    pairing = build_triplets(pictures, PairingSettings(uses_per_picture=uses), seed=seed)
    people = {picture.image: (picture.identity, picture.domain) for picture in pictures}
    used = {image for triplet in pairing.triplets for image in triplet.images}
    assert sorted([*used, *pairing.left_out]) == sorted(people)
    for triplet in pairing.triplets:
        assert {people[image] for image in triplet.images} == {(triplet.identity, triplet.domain)}
        assert len(set(triplet.images)) == 3
    assert sum(pairing.expressions.values()) == 2 * len(pairing.triplets)


def test_ordered_is_the_order_of_the_taxonomy() -> None:
    assert all(ordered(a, b) == ordered(b, a) == (a, b) for a, b in pairwise(EXPRESSIONS))


def test_what_was_left_out_is_told_in_the_order_of_the_pictures() -> None:
    pictures = [clear(name, number=n) for n in range(3) for name in EXPRESSIONS]
    for seed in range(3):
        left_out = build_triplets(pictures, seed=seed).left_out
        assert list(left_out) == [picture.image for picture in pictures]


def test_a_judge_may_leave_out_what_it_does_not_judge():
    scores = {"happy": 0.9, "sad": 0.1}
    picture = AnnotatedPicture(Path("a.png"), "p", "happy", scores, judge="photo")
    assert len(picture.unscored) == len(EXPRESSIONS) - 2
    assert measure_overlaps([picture])["happy", "sad"] == pytest.approx(0.05)
    for wrong in (
        {"expression": "happy", "judge": None},  # nobody says why the others are missing
        {"expression": "fear", "judge": "photo"},  # its own is missing
    ):
        with pytest.raises(InputError, match="has no score for"):
            AnnotatedPicture(Path("a.png"), "p", scores=scores, **wrong)
