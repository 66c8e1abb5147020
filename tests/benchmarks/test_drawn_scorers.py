"""Damage and the distance to the truth of drawn benchmarks, from runs of editors that are known."""

import asyncio

import numpy as np
import pytest
from edit_examples import edit

from pixelsmile.benchmarks.catalogue import drawn_portraits
from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.fed.results import _quality
from pixelsmile.benchmarks.ffe.drawn import drawn_ffe_benchmark
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.benchmarks.scorers.drawn import (
    DAMAGE_SCALE,
    DamageScorer,
    TruthScorer,
    changed_error,
    decibels,
    drawn_otherwise,
)
from pixelsmile.benchmarks.scorers.scorer import Scoring, edits_to_score, score_records
from pixelsmile.benchmarks.scores import NO_DAMAGE, NOT_JUDGED, Score
from pixelsmile.editors.sanity import SanityEditor
from pixelsmile.embedded import features_path
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.store.publication import write_file

STRENGTHS = (0.0, 0.5, 1.0)


def run(path, editor, benchmark=None, strengths=STRENGTHS):
    benchmark = benchmark or drawn_ffe_benchmark(2, ["anime"])
    with RunFolder.claimed(path) as folder:
        for _ in run_edits(benchmark, SanityEditor(editor), folder, "linear", strengths):
            pass
    return folder


@pytest.fixture(scope="module")
def encoder():
    return DrawnEncoder.from_folder(features_path())


def scored(folder, scorer):
    for _ in Scoring(folder, scorer):
        pass
    return {key[0::2]: record.score for key, record in score_records(folder, scorer.stem).items()}


def test_the_distance_to_the_truth_at_the_same_strength(tmp_path, encoder):
    found = {}
    for editor in ("truth", "copy", "saturating"):
        folder = run(tmp_path / editor, editor)
        scores = scored(folder, TruthScorer(drawn_portraits(folder.spec()), encoder))
        for name in ("psnr_db", "perceptual"):
            found[editor, name] = [
                np.mean([score.values[name] for key, score in scores.items() if key[1] == strength])
                for strength in STRENGTHS
            ]
    assert found["truth", "psnr_db"] == pytest.approx([decibels(0)] * 3)
    assert found["truth", "perceptual"] == pytest.approx([0] * 3, abs=1e-6)
    copied, saturated = found["copy", "psnr_db"], found["saturating", "psnr_db"]
    assert copied[1] > copied[2] + 2  # the further the truth has gone, the more a copy lacks
    assert found["copy", "perceptual"][2] > found["copy", "perceptual"][1] > 0
    assert (saturated[0], saturated[2]) == pytest.approx((decibels(0), decibels(0)))
    assert saturated[1] < 30  # all of it where half was asked for


def test_changed_pixels_by_hand():
    source = np.zeros((2, 2, 3), np.uint8)
    truth, full, picture = source.copy(), source.copy(), source.copy()
    truth[0, 0] = 10
    full[0, 1] = 10
    picture[0, 0], picture[1, 1] = 4, 200
    error, changed = changed_error(picture, truth, full, source)
    assert changed.tolist() == [[True, True], [False, False]]
    assert error == pytest.approx((6**2 + 0) / 2)
    assert decibels(error) == pytest.approx(10 * np.log10(255**2 / 18))
    assert changed_error(picture, source, source, source)[0] == 0


def test_damage_of_a_run(tmp_path):
    folder = run(tmp_path / "run", "partner", drawn_ffe_benchmark(1), (1.0,))
    portraits = drawn_portraits(folder.spec())
    assert drawn_otherwise(folder, portraits) is None
    (score,) = scored(folder, DamageScorer(portraits)).values()
    assert score.values["damage"] < 6  # another expression, drawn whole, is no damage
    assert score.values["mark"] == DAMAGE_SCALE.mark(score.values["damage"]) > 9.5
    assert score.metadata["units"]
    (only,) = edits_to_score(folder)
    assert asyncio.run(DamageScorer(portraits).score(only)) == score


def test_who_is_drawn_is_found_from_the_run_alone(tmp_path):
    fed = drawn_fed_benchmark(3)
    folder = run(tmp_path / "fed", "truth", fed, (1.0,))
    assert drawn_portraits(folder.spec()) == {task.source: task.picture for task in fed.tasks}
    (task, *_) = fed.tasks
    source = folder.source_file(task.source)
    write_file(source, folder.truth_file(task.triplet).read_bytes(), force=True)
    assert drawn_otherwise(folder, drawn_portraits(folder.spec())) == task.source


def with_quality(**scores):
    return edit("a", "happy", "happy").with_scores(**scores)


def test_pq_is_the_lower_of_both_marks():
    judged, words = Score(values={"mark": 9.5}, explanation="no sign"), "spots"
    values = {"damage": 20.0, "lopsided": 3.0, "mark": 4.0}
    harmed = Score(values=values, explanation=words)
    found = _quality(with_quality(quality=judged, damage=harmed))
    assert (found.value, found.explanation) == (4.0, words)
    sound = Score(values={**values, "mark": 10.0}, explanation=words)
    assert _quality(with_quality(quality=judged, damage=sound)) == judged
    assert _quality(with_quality(quality=judged)).unscored == NO_DAMAGE
    assert _quality(with_quality(damage=harmed)).unscored == NOT_JUDGED
