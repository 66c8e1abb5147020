"""The embedded triplets: who is in them, what is asked, what is true, and the words for it."""

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from benchmark_examples import triplet_names

from pixelsmile.benchmarks.drawn_people import traits_of
from pixelsmile.benchmarks.fed.drawn import FIRST_SEEDS, ROUND, STRENGTHS, drawn_fed_benchmark
from pixelsmile.benchmarks.fed.triplets import CLASSES
from pixelsmile.benchmarks.ffe.drawn import FIRST_SEEDS as FFE_SEEDS
from pixelsmile.editors.drawn_portrait import OTHER_PEOPLE, DrawnPortrait
from pixelsmile.errors import InputError, StrengthError
from pixelsmile.expressions import DOMAINS, NEUTRAL
from pixelsmile.portraits import NUM_VARIANTS, sample_identity
from pixelsmile.portraits.action_units import SIGNED, UNITS


@cache
def whole():
    return drawn_fed_benchmark()


@dataclass(frozen=True)
class Drawn:
    """What a triplet shows."""

    source: DrawnPortrait
    truth: DrawnPortrait


def drawn(domain=None):
    dense = [task for task in whole().tasks if task.granularity == "dense"]
    return [Drawn(task.picture, task.truth) for task in dense if domain in (None, task.domain)]


# What is asked, and of whom


def test_classes_are_balanced():
    assert set(ROUND) == set(CLASSES)
    pairs = Counter((each.source.expression, each.truth.expression) for each in drawn())
    assert set(pairs) == set(itertools.permutations(CLASSES, 2))
    assert set(pairs.values()) == {5, 6}
    assert len({each.truth.expression for each in drawn()[:7]}) == 7
    first = {(each.source.expression, each.truth.expression) for each in drawn()[:42]}
    assert len(first) == 42
    for domain in DOMAINS:
        targets = Counter(each.truth.expression for each in drawn(domain))
        assert set(targets.values()) == {17, 18}


@pytest.mark.parametrize("domain", DOMAINS)
def test_who_is_shown(domain):
    seeds = [each.source.identity_seed for each in drawn(domain)]
    assert len(set(seeds)) == 120
    assert FIRST_SEEDS[domain] <= min(seeds)
    assert max(seeds) < FIRST_SEEDS[domain] + OTHER_PEOPLE
    looks = np.array([traits_of(sample_identity(seed)) for seed in seeds])
    assert looks.mean(axis=0) == pytest.approx([0.4] * 3, abs=0.02)
    for side in ("source", "truth"):
        for name in CLASSES:
            shown = [getattr(each, side).expression == name for each in drawn(domain)]
            assert looks[shown].mean(axis=0) == pytest.approx([0.4] * 3, abs=0.11)


def test_nobody_is_shown_twice_in_the_project():
    """The ranges of drawn-ffe-1, of these people and of those who take their places do not meet."""
    starts = sorted((*FFE_SEEDS.values(), *FIRST_SEEDS.values()))
    assert starts == [8_000_000, 8_200_000, 8_500_000, 8_700_000]
    assert all(later - earlier >= 2 * OTHER_PEOPLE for earlier, later in itertools.pairwise(starts))
    assert starts[-1] + 2 * OTHER_PEOPLE <= 9_000_000  # where the image encoder's begin


def test_source_and_truth():
    for each in drawn():
        assert each.source.identity_seed == each.truth.identity_seed
        assert each.source.domain == each.truth.domain
        for shown in (each.source, each.truth):
            if shown.expression == NEUTRAL:
                assert (shown.strength, shown.variant) == (0, 0)
            else:
                assert STRENGTHS[0] <= shown.strength <= STRENGTHS[1]
    variants = Counter(each.truth.variant for each in drawn() if each.truth.expression != NEUTRAL)
    assert set(variants) == set(range(NUM_VARIANTS))


def test_fewer_are_the_first_of_more():
    for num in (1, 7, 30):
        assert drawn_fed_benchmark(num).tasks == whole().tasks[: 2 * num]
    anime = drawn_fed_benchmark(5, ["anime"], ["simple"])
    assert (
        anime.tasks
        == tuple(
            task for task in whole().tasks if task.domain == "anime" and task.source.endswith("-simple")
        )[:5]
    )
    assert whole().tasks[0].source == "human-0000-dense"
    assert (len(triplet_names(whole())), len(whole().tasks)) == (240, 480)


def test_it_stays_what_it_is():
    """Whoever changes who is shown or what is asked makes another version, and another hash here."""
    record = whole().to_record()
    assert record.pop("sha256") == "3c48634348631733980f6b2ba62375464d6aa399e86cbf304f9c94567afba98b"
    assert record == {
        "name": "drawn-fed-1",
        "origin": "embedded",
        "num_triplets": 240,
        "num_tasks": 480,
        "granularities": ["dense", "simple"],
        "without_instruction": {"dense": [], "simple": []},
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "at least one triplet"),
        ((4, ()), "domains"),
        ((4, ("human", "human")), "at most once"),
        ((4, DOMAINS, ()), "granularities"),
        ((4, DOMAINS, ("dense", "dense")), "name each of dense, simple at most once"),
    ],
)
def test_refusals(arguments, said):
    with pytest.raises(InputError, match=said):
        drawn_fed_benchmark(*arguments)


# What is true


def test_pictures():
    task = drawn_fed_benchmark(3).tasks[0]
    shown = task.picture
    source, truth = shown.load(), task.truth.load()
    assert (source.size, source.mode, truth.size, truth.mode) == ((256, 256), "RGB") * 2
    again = shown.with_expression(task.truth.expression, task.truth.strength, task.truth.variant)
    assert again.image.tobytes() == truth.tobytes() != source.tobytes()
    assert max(again.truth.scores, key=again.truth.scores.__getitem__) == task.target
    assert shown.on_the_way_to(task.truth, 0.0).image.tobytes() == source.tobytes()
    assert shown.on_the_way_to(task.truth, 1.0).image.tobytes() == truth.tobytes()
    assert shown.on_the_way_to(task.truth, 0.0).truth.face_box == pytest.approx(task.face_box, abs=0.5)
    with pytest.raises(StrengthError):
        shown.with_expression("happy", 2.5)
    with pytest.raises(StrengthError, match="the share of the change"):
        shown.on_the_way_to(task.truth, 2.5)


def test_the_way_goes_on_beyond_the_truth():
    for each in drawn()[:14]:
        start, end = np.array(each.source.units.as_tuple()), np.array(each.truth.units.as_tuple())
        halfway = each.source.on_the_way_to(each.truth, 0.5).truth.action_units.as_tuple()
        assert halfway == pytest.approx((start + end) / 2)
        if each.truth.expression == NEUTRAL:
            with pytest.raises(InputError, match="asks for a neutral face: there is none beyond it"):
                each.source.on_the_way_to(each.truth, 1.5)
            continue
        beyond = np.array(each.source.on_the_way_to(each.truth, 2.0).truth.action_units.as_tuple())
        new = (start == 0) & (end > 0)
        assert beyond[new] == pytest.approx(2 * end[new])
        assert np.linalg.norm(beyond - start) > 1.4 * np.linalg.norm(end - start)
        unsigned = [name not in SIGNED for name in UNITS]
        assert beyond[unsigned].min() >= 0


def test_another_person_in_the_same_place():
    shown = drawn()[0].truth
    other, truth = shown.of_another_person(), shown.portrait()
    assert other.truth.action_units == truth.truth.action_units
    corner = (slice(0, 60), slice(0, 60))
    assert np.array_equal(np.asarray(other.image)[corner], np.asarray(truth.image)[corner])
    difference = np.abs(np.asarray(other.image, float) - np.asarray(truth.image, float)).mean(axis=2)
    assert difference[truth.truth.face_mask].mean() > 20
