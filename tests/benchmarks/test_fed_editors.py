"""The editors that FED-Score should rank: what they make, of what, and how they are named."""

import itertools
from functools import cache

import numpy as np
import pytest
from test_fed_lines import write_triplets

from pixelsmile.benchmarks.editors.choosing import EditorChoice, open_editor, parse_editor
from pixelsmile.benchmarks.editors.drawn import CopyEditor
from pixelsmile.benchmarks.editors.drawn_fed import (
    FED_SANITY_EDITORS,
    SHARES,
    SHIFT,
    DrawnFedEditor,
    TruthEditor,
    fed_sanity_editor,
)
from pixelsmile.benchmarks.editors.own_settings import OwnSettings
from pixelsmile.benchmarks.fed.drawn import DrawnFedBenchmark
from pixelsmile.benchmarks.fed.loading import load_fed_benchmark
from pixelsmile.benchmarks.ffe.drawn import DrawnBenchmark
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.running import run_edits
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL


@cache
def benchmark():
    return DrawnFedBenchmark(14)


def edit(name, task, seed=0):
    editor = fed_sanity_editor(name, benchmark())
    (made,) = editor.edit(task, benchmark().picture(task.source), (1.0,), seed)
    assert made.strength == 1.0
    return made.image


def a_task(target="happy", granularity="dense"):
    return next(
        task for task in benchmark().tasks if task.target == target and task.source.endswith(granularity)
    )


@pytest.mark.parametrize("name", FED_SANITY_EDITORS)
def test_the_protocol(name):
    task = a_task()
    made = edit(name, task)
    assert (made.size, made.mode) == ((256, 256), "RGB")
    assert made.tobytes() == edit(name, task).tobytes()
    assert made.tobytes() == edit(name, a_task(granularity="simple")).tobytes()
    editor = fed_sanity_editor(name, benchmark())
    record = editor.to_record()
    assert (record["name"], record["kind"]) == (name, "sanity")
    assert record.get("share") == SHARES.get(name)
    editor.close()
    if name != "copy":
        (half,) = editor.edit(task, made, (0.5,), 0)
        assert half.image is None
        assert "strength 1 alone" in half.failure


def test_what_they_make():
    task = a_task()
    source, truth = benchmark().picture(task.source), benchmark().truth(task.source)
    made = {name: edit(name, task) for name in FED_SANITY_EDITORS}
    assert made["truth"].tobytes() == truth.tobytes()
    assert made["copy"].tobytes() == source.tobytes()
    for name, share in SHARES.items():
        assert made[name].tobytes() == benchmark().truth_at(task.source, share).image.tobytes()
    assert made["other-person"].tobytes() == benchmark().other_person(task.source).image.tobytes()
    assert len({picture.tobytes() for picture in made.values()}) == len(made)
    pixels = round(SHIFT * 256)
    assert pixels == 6
    assert np.array_equal(np.asarray(made["shifted"])[6:, 6:], np.asarray(truth)[:-6, :-6])
    sharpness = {
        name: np.abs(np.diff(np.asarray(made[name], float), axis=0)).mean() for name in ("truth", "blurred")
    }
    assert sharpness["blurred"] < 0.7 * sharpness["truth"]


def test_wrong_expressions():
    editor = fed_sanity_editor("wrong-expression", benchmark())
    wrongs = {}
    for task in benchmark().tasks:
        shown = benchmark().planned(task.source).source.expression
        wrong = editor.wrong_expression(task, 0)
        assert wrong not in (task.target, shown, NEUTRAL)
        wrongs[shown, task.target] = wrong
    for (shown, target), wrong in wrongs.items():
        for one, other in itertools.permutations(("fear", "surprised")):
            if target == one and shown != other:
                assert wrong == other


def test_neutral_has_no_more():
    editor = fed_sanity_editor("2x", benchmark())
    task = a_task(NEUTRAL)
    with pytest.raises(InputError, match="none beyond it"):
        list(editor.edit(task, benchmark().picture(task.source), (1.0,), 0))


def test_a_run(tmp_path):
    """The runner of FFE-Bench serves: every edit is there or has its reason."""
    small = DrawnFedBenchmark(7)
    with RunFolder.claimed(tmp_path / "run") as folder:
        *_, last = run_edits(small, fed_sanity_editor("2x", small), folder, "general", (1.0,))
        assert (last.num_done, last.num_edits) == (14, 14)
        edits = folder.edits()
        without = {key for key, record in edits.items() if record.file is None}
        assert {target for _, target, _ in without} == {NEUTRAL}
        assert len(without) == 2
        assert all("none beyond it" in edits[key].failure for key in without)
        assert folder.spec().benchmark == small.to_record()
        assert folder.source_file("human-0000-dense").is_file()


def test_which_benchmarks_they_know(tmp_path):
    own = load_fed_benchmark(write_triplets(tmp_path))
    task = own.tasks[0]
    (made,) = fed_sanity_editor("truth", own).edit(task, own.picture(task.source), (1.0,), 0)
    assert made.image.tobytes() == own.truth(task.source).tobytes()
    assert type(fed_sanity_editor("blurred", own)) is TruthEditor
    for name in ("half", "2x", "wrong-expression", "other-person"):
        with pytest.raises(InputError, match=f"editor '{name}' draws .* or truth, shifted, blurred or copy"):
            fed_sanity_editor(name, own)
    with pytest.raises(InputError, match="editor 'truth' draws"):
        fed_sanity_editor("truth", DrawnBenchmark(1))
    with pytest.raises(
        InputError, match="unknown sanity editor 'exaggerated': choose from truth, copy, half"
    ):
        fed_sanity_editor("exaggerated", own)


def test_their_names(tmp_path):
    for name in FED_SANITY_EDITORS:
        assert parse_editor(f" {name.upper()}", FED_SANITY_EDITORS) == EditorChoice("sanity", name)
    with pytest.raises(InputError, match=r"did you mean wrong-expression\?"):
        parse_editor("wrong expression", FED_SANITY_EDITORS)
    with pytest.raises(InputError, match="unknown editor 'other-person'"):
        parse_editor("other-person")

    def opened(name):
        choice = parse_editor(name, FED_SANITY_EDITORS)
        return open_editor(choice, benchmark(), OwnSettings(), tmp_path, (1.0,))

    assert isinstance(opened("2x"), DrawnFedEditor)
    assert isinstance(opened("copy"), CopyEditor)
