"""The embedded benchmark: who is in it, what is asked, and what is true."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from benchmark_examples import task_of

from pixelsmile.benchmarks.catalogue import load_ffe_benchmark
from pixelsmile.benchmarks.drawn_people import traits_of
from pixelsmile.benchmarks.ffe.drawn import FIRST_SEEDS, SLIGHT_STRENGTHS, drawn_ffe_benchmark
from pixelsmile.errors import InputError, StrengthError
from pixelsmile.expressions import CONFUSING_PAIRS, DOMAINS, EXPRESSIONS, NEUTRAL
from pixelsmile.portraits import sample_identity

PAIRED = {name for pair in CONFUSING_PAIRS for name in pair}


@cache
def whole():
    return drawn_ffe_benchmark()


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_asked_for(domain):
    tasks = [task for task in whole().tasks if task.domain == domain]
    counts = Counter(task.target for task in tasks)
    assert counts == {name: 30 if name in PAIRED else 15 for name in EXPRESSIONS}
    assert len({task.source for task in tasks}) == 240


@pytest.mark.parametrize("domain", DOMAINS)
def test_who_is_shown(domain):
    tasks = [task for task in whole().tasks if task.domain == domain]
    shown = [task.picture for task in tasks]
    seeds = [each.identity_seed for each in shown]
    assert len(set(seeds)) == 240
    assert FIRST_SEEDS[domain] <= min(seeds)
    assert max(seeds) < FIRST_SEEDS[domain] + 100_000
    looks = np.array([traits_of(sample_identity(seed)) for seed in seeds])
    assert looks.mean(axis=0) == pytest.approx([0.4, 0.4, 0.4], abs=0.005)
    for name in EXPRESSIONS:
        assert looks[[task.target == name for task in tasks]].mean(axis=0) == pytest.approx(
            [0.4] * 3, abs=0.07
        )
    assert len({tuple(look) for look in looks.tolist()}) == 7
    slight = [(task, each) for task, each in zip(tasks, shown, strict=True) if each.expression != NEUTRAL]
    assert len(slight) == 48
    assert all(each.expression != task.target for task, each in slight)
    assert all(SLIGHT_STRENGTHS[0] <= each.strength <= SLIGHT_STRENGTHS[1] for _, each in slight)
    assert all(each.strength == 0 for each in shown if each.expression == NEUTRAL)


def test_fewer_are_the_first_of_more():
    for num in (1, 16, 37):
        assert drawn_ffe_benchmark(num).tasks == whole().tasks[:num]
    first = Counter(task.target for task in whole().tasks[:16])
    assert first == {name: 2 if name in PAIRED else 1 for name in EXPRESSIONS}
    human = drawn_ffe_benchmark(5, ["human"]).tasks
    assert human == tuple(task for task in whole().tasks if task.domain == "human")[:5]
    assert (
        load_ffe_benchmark("embedded", num_samples=4, domains=["anime"]).tasks
        == tuple(task for task in whole().tasks if task.domain == "anime")[:4]
    )


def test_it_stays_what_it_is():
    """Whoever changes who is shown or what is asked makes another version, and another hash here."""
    assert whole().to_record() == {
        "name": "drawn-ffe-1",
        "origin": "embedded",
        "num_tasks": 480,
        "sha256": "b9947ec2ba81e748280f36d2a6bf9abbb417adc235ccf6a07317a0a16c9b3c6e",
    }
    assert drawn_ffe_benchmark(16).to_record()["sha256"] != whole().to_record()["sha256"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0,), "at least one task"), ((4, ()), "domains"), ((4, ("human", "human")), "at most once")],
)
def test_refusals(arguments, said):
    with pytest.raises(InputError, match=said):
        drawn_ffe_benchmark(*arguments)


def test_pictures_and_their_truth():
    tasks = drawn_ffe_benchmark(40).tasks
    neutral = next(task for task in tasks if task.picture.expression == NEUTRAL)
    slight = next(task for task in tasks if task.picture.expression != NEUTRAL)
    picture = neutral.picture.load()
    assert (picture.size, picture.mode) == ((256, 256), "RGB")
    assert picture.tobytes() == task_of(drawn_ffe_benchmark(40), neutral.source).picture.load().tobytes()
    at_rest = neutral.picture.with_expression(neutral.target, 0.0)
    assert at_rest.image.tobytes() == picture.tobytes()
    assert at_rest.truth.face_box == pytest.approx(neutral.face_box, abs=0.5)
    assert at_rest.truth.scores == dict.fromkeys(EXPRESSIONS, 0.0)
    # a slight expression goes: the truth at 0 is the neutral face
    at_rest = slight.picture.with_expression(slight.target, 0.0)
    assert at_rest.image.tobytes() != slight.picture.load().tobytes()
    assert at_rest.truth.scores == dict.fromkeys(EXPRESSIONS, 0.0)
    for variant in range(3):
        full = slight.picture.with_expression(slight.target, 1.0, variant)
        assert max(full.truth.scores, key=full.truth.scores.__getitem__) == slight.target
        assert full.truth.scores[slight.target] == pytest.approx(1)
    with pytest.raises(StrengthError):
        slight.picture.with_expression(slight.target, 2.5)
