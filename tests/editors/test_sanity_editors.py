"""Sanity: editors whose scores are known, and each metric moving the way the paper says it should.

The verdicts are the drawn truth's own scores. The likeness of two faces is the cosine of their pixels without
the mean: a stand-in with the properties that count here, 1 for a copy and less the more a face moves.
"""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from benchmarks.edit_examples import scored_edit
from editors.editor_examples import GreyPicture, a_task, sweep

from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.ffe.drawn import drawn_ffe_benchmark
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.linearity import CONSTANT
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.metrics.summary import summarise
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.editors.sanity import (
    FED_SANITY_EDITORS,
    SANITY_EDITORS,
    SHARES,
    SHIFT,
    SanityEditor,
    drawing,
    nearest_expression,
    wrong_expression,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.portraits import action_units, render, sample_identity, scores

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEED = 7


@cache
def ffe():
    return drawn_ffe_benchmark(16).tasks


@cache
def fed():
    return drawn_fed_benchmark(14).tasks


def a_fed_task(target="happy", granularity="dense"):
    return next(task for task in fed() if (task.target, task.granularity) == (target, granularity))


def edit(name, task, strength=1.0, seed=SEED):
    (made,) = sweep(SanityEditor(name), task, task.picture.load(), (strength,), seed)
    assert made.strength == strength
    return made.image


@pytest.mark.parametrize("name", SANITY_EDITORS)
def test_for_ffe(name):
    task, editor = ffe()[5], SanityEditor(name)
    picture = task.picture.load()
    made = sweep(editor, task, picture, (1.0, 0.25), SEED)
    assert [each.strength for each in made] == [1.0, 0.25]
    again = sweep(editor, task, picture, (0.25,), SEED)
    assert again[0].image.tobytes() == made[1].image.tobytes()
    assert all(each.image.size == picture.size and each.failure is None for each in made)
    assert editor.to_record()["name"] == name


@pytest.mark.parametrize("name", FED_SANITY_EDITORS)
def test_for_fed(name):
    task = a_fed_task()
    made = edit(name, task)
    assert (made.size, made.mode) == ((256, 256), "RGB")
    assert made.tobytes() == edit(name, task).tobytes()
    assert made.tobytes() == edit(name, a_fed_task(granularity="simple")).tobytes()
    record = SanityEditor(name).to_record()
    assert (record["name"], record["kind"]) == (name, "sanity")
    assert record.get("share") == SHARES.get(name)
    if name != "copy":
        (half,) = sweep(SanityEditor(name), task, made, (0.5,))
        assert half.image is None
        assert "strength 1 alone" in half.failure


def test_what_they_draw_for_ffe():
    task = ffe()[0]
    assert task.target == "fear"
    variant = drawing("truth", task, 0.5, SEED).variant
    drawn = {name: edit(name, task, 0.5).tobytes() for name in SANITY_EDITORS}

    def portrait(*shown):
        return task.picture.with_expression(*shown).image.tobytes()

    assert drawn["truth"] == portrait("fear", 0.5, variant)
    assert drawn["copy"] == task.picture.load().tobytes()
    assert drawn["exaggerated"] == portrait("fear", 1.5, variant)
    assert drawn["partner"] == portrait("surprised", 0.5, variant)
    assert drawn["saturating"] == portrait("fear", 1.0, variant)
    assert [drawing("saturating", task, at, SEED).strength for at in (0, 0.25, 0.5, 2)] == [0, 0.5, 1, 1]
    jumps = [[drawing("jumping", task, at, SEED).strength for at in STRENGTHS] for task in ffe()]
    assert all(found == sorted(found) and {*found} == {0, 1} for found in jumps)
    assert len({found.index(1) for found in jumps}) == 4  # each task at a strength of its own
    assert {drawing("truth", task, 1.0, SEED).variant for task in ffe()} == {0, 1, 2}


def test_what_they_make_for_fed():
    task = a_fed_task()
    source, truth = task.picture.load(), task.truth.load()
    made = {name: edit(name, task) for name in FED_SANITY_EDITORS}
    assert made["truth"].tobytes() == truth.tobytes()
    assert made["copy"].tobytes() == source.tobytes()
    for name, share in SHARES.items():
        assert made[name].tobytes() == task.picture.on_the_way_to(task.truth, share).image.tobytes()
    assert made["other-person"].tobytes() == task.truth.of_another_person().image.tobytes()
    assert len({picture.tobytes() for picture in made.values()}) == len(made)
    pixels = round(SHIFT * 256)
    assert pixels == 6
    assert np.array_equal(np.asarray(made["shifted"])[6:, 6:], np.asarray(truth)[:-6, :-6])
    sharpness = {
        name: np.abs(np.diff(np.asarray(made[name], float), axis=0)).mean() for name in ("truth", "blurred")
    }
    assert sharpness["blurred"] < 0.7 * sharpness["truth"]


def test_partners():
    partners = {name: nearest_expression(name) for name in EXPRESSIONS}
    assert all(name != partner for name, partner in partners.items())
    assert (partners["fear"], partners["surprised"]) == ("surprised", "fear")
    assert (partners["angry"], partners["disgust"]) == ("disgust", "angry")
    assert (partners["happy"], partners["confident"]) == ("confident", "happy")
    assert SanityEditor("partner").to_record()["partners"] == partners


def test_wrong_expressions():
    wrongs = {}
    for task in fed():
        wrong = wrong_expression(task, task.picture, 0)
        assert wrong not in (task.target, task.picture.expression, NEUTRAL)
        wrongs[task.picture.expression, task.target] = wrong
    for (shown, target), wrong in wrongs.items():
        for one, other in itertools.permutations(("fear", "surprised")):
            if target == one and shown != other:
                assert wrong == other


def test_neutral_has_no_more():
    with pytest.raises(InputError, match="none beyond it"):
        edit("2x", a_fed_task(NEUTRAL))


def test_a_run_for_fed(tmp_path):
    """The runner serves both benchmarks: every edit is there or has its reason."""
    small = drawn_fed_benchmark(7)
    with RunFolder.claimed(tmp_path / "run") as folder:
        *_, last = run_edits(small, SanityEditor("2x"), folder, "general", (1.0,))
        assert (last.num_done, last.num_edits) == (14, 14)
        edits = folder.edits()
        without = {key for key, record in edits.items() if record.file is None}
        assert {target for _, target, _ in without} == {NEUTRAL}
        assert len(without) == 2
        assert all("none beyond it" in edits[key].failure for key in without)
        assert folder.spec().benchmark == small.to_record()
        assert folder.source_file("human-0000-dense").is_file()


def test_who_works_with_photographs():
    photograph, triplet = a_task(), replace(a_task(), triplet="t", truth=GreyPicture(9))
    SanityEditor("copy").check([photograph, triplet])
    assert edit("truth", triplet).tobytes() == GreyPicture(9).load().tobytes()
    for name in ("truth", "shifted", "blurred"):
        SanityEditor(name).check([triplet])
    for name in set(SANITY_EDITORS) - {"copy"}:
        with pytest.raises(InputError, match=f"editor '{name}' draws .*: use that; with this one work copy$"):
            SanityEditor(name).check([photograph])
    for name in ("half", "2x", "wrong-expression", "other-person"):
        with pytest.raises(InputError, match=f"editor '{name}' draws .* work truth, copy, shifted, blurred"):
            SanityEditor(name).check([triplet])
        with pytest.raises(InputError, match="draws its edits"):
            SanityEditor(name).check(ffe())
    for name in SANITY_EDITORS:
        SanityEditor(name).check(ffe())
    for name in FED_SANITY_EDITORS:
        SanityEditor(name).check(fed())
    with pytest.raises(InputError, match="unknown sanity editor 'lies': choose from truth, copy,"):
        SanityEditor("lies")


# The metrics


def judged(name):
    """What the drawn truth says of all edits of a sanity editor."""
    found = []
    for task in ffe():
        shown = task.picture
        source = action_units(shown.expression, shown.strength, shown.variant)
        face = pixels(shown, source)
        for strength in STRENGTHS:
            drawn = source if name == "copy" else action_units(*drawing(name, task, strength, SEED))
            likeness = float(np.clip(face @ pixels(shown, drawn), -1, 1))
            found.append(
                scored_edit(
                    task.source,
                    task.target,
                    strength,
                    scores=scores(drawn),
                    cosines={"pixels": likeness},
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


def test_evenness_sees_what_linearity_does_not():
    assert value("truth", "evenness") > 0.95
    assert value("truth", "moving_share") > 0.95
    assert value("saturating", "evenness") == pytest.approx(0.5, abs=0.05)
    assert value("saturating", "moving_share") == pytest.approx(0.5, abs=0.05)
    assert value("saturating", "cls_12") > 0.85
    assert value("jumping", "evenness") < 0.5
    assert value("jumping", "moving_share") == pytest.approx(0.25, abs=0.05)  # a step of the sweep
    assert value("jumping", "cls_12") > 0.7
    assert value("random-strength", "evenness") < 0.5
    assert value("copy", "evenness") is None
