"""Several pictures in one batch: each comes out as it does alone, and can be looked at on its way."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from pixelsmile.editing import devices
from pixelsmile.editing.engine import BatchingEngine, EditJob, EngineResult, Preview, Progress, Target
from pixelsmile.editing.engines.geometric import GeometricEngine
from pixelsmile.editing.engines.jobs import preview_steps
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.folders import read_options

NEUTRAL, HAPPY, SAD = (f"Edit the person to show a {name} expression" for name in ("neutral", "happy", "sad"))
LONG = "Edit the person to show a very happy expression"  # of another length: velocities


def job(
    image: Image.Image, *prompts: str, strengths: tuple[float, ...] = (0.5, 1.0), **more: object
) -> EditJob:
    targets = tuple(Target((prompt,), tuple((strength,) for strength in strengths)) for prompt in prompts)
    return EditJob(image, NEUTRAL, targets, num_steps=4, **{"seed": 1, **more})  # type: ignore[arg-type]


def result_of(engine: QwenEngine, one: EditJob) -> EngineResult:
    (result,) = (event for event in engine.stream(one) if isinstance(event, EngineResult))
    return result


def levels(one: EngineResult) -> np.ndarray:
    return np.stack([np.asarray(image, np.int16) for row in one.images for image in row])


@pytest.fixture(scope="module")
def jobs(portrait: Image.Image) -> list[EditJob]:
    other = ImageOps.invert(portrait)
    return [
        job(portrait, HAPPY, SAD),
        job(other, HAPPY, seed=2, strengths=(0.0, 1.0)),
        job(portrait, LONG, seed=3),
        job(ImageOps.mirror(portrait), SAD, strengths=(0.3, 0.7, 1.1)),  # 11 samples in batches of 8
    ]


def test_each_job_gets_what_it_gets_alone(engine: QwenEngine, jobs: list[EditJob]) -> None:
    alone = [result_of(engine, one) for one in jobs]
    together = {place: event for place, event in engine.stream_many(jobs) if isinstance(event, EngineResult)}
    assert sorted(together) == [0, 1, 2, 3]
    for place, result in enumerate(alone):
        assert np.abs(levels(result) - levels(together[place])).max() <= 1
        assert result.conditionings == together[place].conditionings
    assert len({levels(result).tobytes() for result in alone}) == len(alone)  # they differ to begin with


def test_each_job_keeps_its_own_details(model_folder: Path, jobs: list[EditJob], engine: QwenEngine) -> None:
    options = read_options(model_folder).model_copy(update={"keep_details": True})
    keeping = QwenEngine("tiny", engine.parts, devices.place("cpu"), options)
    together = {place: event for place, event in keeping.stream_many(jobs) if isinstance(event, EngineResult)}
    for number, one in enumerate(jobs):
        alone = levels(result_of(keeping, one))
        assert np.abs(alone - levels(together[number])).max() <= 1
        assert np.abs(alone - levels(result_of(engine, one))).max() > 1
    assert keeping.info.record == {"keep_details": True}


def test_every_job_hears_of_its_own_progress(engine: QwenEngine, jobs: list[EditJob]) -> None:
    events = list(engine.stream_many(jobs))
    for place, samples in enumerate((4, 2, 2, 3)):
        mine = [event for owner, event in events if owner == place]
        steps = [event for event in mine if isinstance(event, Progress) and event.stage == "denoise"]
        assert [event.total for event in steps] == [4 * samples] * len(steps)
        assert steps[-1].done == 4 * samples
        assert isinstance(mine[-1], EngineResult)
    results = [owner for owner, event in events if isinstance(event, EngineResult)]
    assert results == [0, 1, 2, 3]


def test_a_job_that_is_done_does_not_wait_for_the_others(engine: QwenEngine, portrait: Image.Image) -> None:
    jobs = [job(portrait, HAPPY, seed=seed, batch_size=2) for seed in range(2)]
    order = [
        (place, isinstance(event, EngineResult))
        for place, event in engine.stream_many(jobs)
        if isinstance(event, EngineResult) or event.stage == "denoise"
    ]
    assert order.index((0, True)) < order.index((1, False))


def test_looks_on_the_way_come_nearer_to_the_end(engine: QwenEngine, portrait: Image.Image) -> None:
    one = job(portrait, HAPPY, previews=2)
    assert preview_steps(one) == {1, 3}
    events = list(engine.stream(one))
    looks = [event for event in events if isinstance(event, Preview)]
    assert [(look.target, look.index) for look in looks] == [(0, 0), (0, 1)] * 2
    assert [look.done for look in looks] == [2, 2, 6, 6]
    end = levels(events[-1])
    first, second = (
        np.abs(np.stack([np.asarray(look.image, np.int16) for look in pair]) - end).mean()
        for pair in (looks[:2], looks[2:])
    )
    assert second < first
    assert not [event for event in engine.stream(job(portrait, HAPPY)) if isinstance(event, Preview)]


def test_jobs_that_are_sampled_differently_have_different_keys(portrait: Image.Image) -> None:
    one = job(portrait, HAPPY)
    assert one.batch_key == job(ImageOps.invert(portrait), SAD, seed=9).batch_key
    for other in (
        job(portrait.resize((64, 96)), HAPPY),
        job(portrait, HAPPY, shift=3.0),
        job(portrait, HAPPY, domain="anime"),
        job(portrait, HAPPY, batch_size=1),
    ):
        assert one.batch_key != other.batch_key


def test_who_makes_batches(engine: QwenEngine) -> None:
    assert isinstance(engine, BatchingEngine)
    assert not hasattr(GeometricEngine, "stream_many")
