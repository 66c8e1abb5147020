"""Sanity: editors whose scores are known, and each metric moving the way the paper says it should.

The verdicts are the drawn truth's own scores. The likeness of two faces is the cosine of their pixels without
the mean: a stand-in with the properties that count here, 1 for a copy and less the more a face moves.
"""

import io
from functools import cache

import numpy as np
import pytest

from pixelsmile.benchmarks.editors.drawn import (
    SANITY_EDITORS,
    CopyEditor,
    DrawnEditor,
    nearest_expression,
    sanity_editor,
)
from pixelsmile.benchmarks.ffe.drawn import DrawnBenchmark
from pixelsmile.benchmarks.ffe.photographs import PhotographBenchmark, Sample
from pixelsmile.benchmarks.metrics import Bootstrap, JudgedEdit, MetricChoices, summarise
from pixelsmile.benchmarks.metrics.linearity import CONSTANT
from pixelsmile.benchmarks.tasks import Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.portraits import action_units, render, sample_identity, scores

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 7


@cache
def benchmark():
    return DrawnBenchmark(16)


@pytest.mark.parametrize("name", SANITY_EDITORS)
def test_the_protocol(name):
    task = benchmark().tasks[5]
    picture = benchmark().picture(task.source)
    editor = sanity_editor(name, benchmark())
    made = list(editor.edit(task, picture, (1.0, 0.25), SEED))
    assert [each.strength for each in made] == [1.0, 0.25]
    again = list(editor.edit(task, picture, (0.25,), SEED))
    assert again[0].image.tobytes() == made[1].image.tobytes()
    assert all(each.image.size == picture.size and each.failure is None for each in made)
    assert editor.to_record()["name"] == name
    editor.close()


def test_what_they_draw():
    task = benchmark().tasks[0]
    assert task.target == "fear"
    variant = sanity_editor("truth", benchmark()).drawing(task, 0.5, SEED).variant
    truth = benchmark().truth(task, 0.5, variant).image
    picture = benchmark().picture(task.source)
    drawn = {
        name: next(iter(sanity_editor(name, benchmark()).edit(task, picture, (0.5,), SEED))).image
        for name in SANITY_EDITORS
    }
    assert drawn["truth"].tobytes() == truth.tobytes()
    assert drawn["copy"].tobytes() == picture.tobytes()
    assert drawn["exaggerated"].tobytes() == benchmark().truth(task, 1.5, variant).image.tobytes()
    partner = benchmark().portrait(task.source, "surprised", 0.5, variant).image
    assert drawn["partner"].tobytes() == partner.tobytes()
    variants = {
        sanity_editor("truth", benchmark()).drawing(task, 1.0, SEED).variant for task in benchmark().tasks
    }
    assert variants == {0, 1, 2}


def test_partners():
    partners = {name: nearest_expression(name) for name in EXPRESSIONS}
    assert all(name != partner for name, partner in partners.items())
    assert (partners["fear"], partners["surprised"]) == ("surprised", "fear")
    assert (partners["angry"], partners["disgust"]) == ("disgust", "angry")
    assert (partners["happy"], partners["confident"]) == ("confident", "happy")
    assert sanity_editor("partner", benchmark()).to_record()["partners"] == partners


def test_who_works_with_photographs():
    task = Task("a", "happy", "human", "p")
    picture = benchmark().picture(benchmark().tasks[0].source)
    from_outside = PhotographBenchmark("mine", "mine.jsonl", [Sample(task, _png(picture))])
    assert isinstance(sanity_editor("copy", from_outside), CopyEditor)
    for name in set(SANITY_EDITORS) - {"copy"}:
        with pytest.raises(InputError, match=f"editor '{name}' draws its edits and knows the embedded"):
            sanity_editor(name, from_outside)
    with pytest.raises(InputError, match="unknown sanity editor 'lies': choose from truth, copy,"):
        sanity_editor("lies", benchmark())


def _png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


# The metrics


def judged(name):
    """What the drawn truth says of all edits of a sanity editor."""
    editor = sanity_editor(name, benchmark())
    found = []
    for task in benchmark().tasks:
        shown = benchmark().shown(task.source)
        source = action_units(shown.expression, shown.strength, shown.variant)
        face = pixels(shown, source)
        for strength in STRENGTHS:
            drawn = (
                action_units(*editor.drawing(task, strength, SEED))
                if isinstance(editor, DrawnEditor)
                else source
            )
            likeness = float(np.clip(face @ pixels(shown, drawn), -1, 1))
            found.append(
                JudgedEdit(
                    task.source,
                    task.target,
                    strength,
                    scores=scores(drawn),
                    similarities={"pixels": likeness},
                )
            )
    return found


@cache
def pixels(shown, units):
    picture = render(sample_identity(shown.identity_seed), units, shown.domain, 32).astype(np.float64).ravel()
    picture -= picture.mean()
    return picture / np.linalg.norm(picture)


@cache
def summary(name, constant_sweeps="undefined"):
    choices = MetricChoices(constant_sweeps=constant_sweeps)
    return summarise(judged(name), choices, Bootstrap(num_replicates=100))


def value(name, metric, **choices):
    return summary(name, **choices).metrics[metric].estimate.value


def test_truth_is_the_upper_bound():
    assert value("truth", "mscr") == 0
    assert value("truth", "acc_6") == value("truth", "acc_12") == 1
    assert value("truth", "cls_6") > 0.995
    assert value("truth", "cls_12") > 0.995
    assert value("truth", "expression") == pytest.approx(0.5, abs=0.05)  # the mean of the strengths
    for other in ("copy", "exaggerated", "random-strength"):
        assert value("truth", "cls_12") > value(other, "cls_12", constant_sweeps="zero") + 0.4
    for other in ("copy", "partner", "random-strength"):
        assert value("truth", "hes") > value(other, "hes")
        assert value("truth", "expression") > value(other, "expression")


def test_copy_has_identity_but_no_expression():
    assert value("copy", "id_sim") == pytest.approx(1)
    assert value("copy", "id_sim") > value("truth", "id_sim")
    assert value("copy", "expression") < 0.05
    assert value("copy", "hes") < 0.1
    assert value("copy", "acc_12") == 0
    assert value("copy", "cls_12") is None
    assert summary("copy").metrics["cls_12"].coverage.unscored == {CONSTANT: 16}


def test_exaggeration_has_no_linear_control():
    assert value("exaggerated", "cls_12", constant_sweeps="zero") == 0
    assert value("exaggerated", "cls_12") is None
    assert value("exaggerated", "expression") > 0.95
    assert value("exaggerated", "acc_12") > 0.9
    assert value("exaggerated", "id_sim") < value("truth", "id_sim") < value("copy", "id_sim")


def test_the_partner_is_confused():
    assert value("partner", "mscr") == 1
    assert value("partner", "acc_6") == value("partner", "acc_12") == 0
    rates = summary("partner").pairs
    assert rates["fear->surprised"].estimate.value == rates["disgust->angry"].estimate.value == 1
    assert value("partner", "expression") < value("truth", "expression") - 0.1
    # it moves with the strength, so linearity alone would not catch it
    assert value("partner", "cls_2") > 0.5


def test_random_strength_has_the_expression_but_no_control():
    assert abs(value("random-strength", "cls_12")) < 0.3
    assert value("random-strength", "mscr") < 0.1
    assert value("random-strength", "acc_12") > 0.8
    assert value("random-strength", "expression") == pytest.approx(0.5, abs=0.1)
