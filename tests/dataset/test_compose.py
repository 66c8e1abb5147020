"""Composing: which edits are asked for, of whom, in which words, and that a seed gives the same ones."""

import json
import re
from pathlib import Path

import pytest
from dataset.dataset_examples import people
from pydantic import ValidationError

from pixelsmile.dataset.build import build
from pixelsmile.dataset.compose import Compose
from pixelsmile.dataset.edit_config import ComposeSettings
from pixelsmile.dataset.rows import Row
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.expressions.library import read_library
from pixelsmile.judges import Question
from pixelsmile.portraits.action_units import parse_units
from pixelsmile.remote import RemoteError

BASE = Row(
    id="0123456789abcdef",
    source="us",
    key="anna.png",
    domain="anime",
    person="anna",
    picture="pictures/ab/ab.png",
    expression=NEUTRAL,
    strength=0.0,
    variant=2,
    licence="CC0",
    light=0.5,
)


def edits(base=BASE, folder=None, **settings):
    return list(Compose(ComposeSettings.model_validate(settings), folder).edits(base))


def test_every_target_at_every_strength():
    found = edits(expressions={})
    assert [(row.expression, row.strength) for row in found] == [
        (target, strength) for target in EXPRESSIONS for strength in (0.25, 0.5, 0.75, 1.0)
    ]
    assert len({row.id for row in found}) == len({row.key for row in found}) == 48
    assert len({row.seed for row in found}) == 12  # one of each sweep
    for row in found:
        assert (row.base, row.base_picture, row.base_expression) == (BASE.id, BASE.picture, NEUTRAL)
        assert (row.person, row.licence, row.variant, row.group) == ("anna", "CC0", 2, BASE.id)
        assert (row.picture, row.light, row.granularity) == (None, None, None)
        assert row.prompt == f"Edit the character to show a {row.expression} expression"
        (combination,) = [
            one for one in read_library().combinations(row.expression) if one.name == row.combination
        ]
        assert parse_units(row.units) == {name: value for name, value in combination.units.items() if value}


def test_what_is_drawn_depends_on_seed_base_and_target_alone():
    wanted = {"targets": ["happy", "sad"], "strengths": [1]}
    both = edits(expressions=wanted)
    assert edits(expressions=wanted) == both
    assert edits(expressions={**wanted, "targets": ["sad"]}) == both[1:]
    assert [row.id for row in edits(expressions=wanted, seed=1)] != [row.id for row in both]
    other = BASE.updated(id="f" * 16)
    assert edits(other, expressions=wanted)[0].seed != both[0].seed
    many = edits(expressions={**wanted, "targets": ["fear"], "num_combinations": 40})
    assert len({row.combination for row in many}) == 40


def test_the_canonical_look_and_dual_prompts():
    (row,) = edits(expressions={"targets": ["smile"], "strengths": [0.5], "num_combinations": None})
    assert row.combination is None
    assert row.units == "cheek_raise=0.75,lip_corner_pull=1,lips_part=0.9,jaw_drop=0.22,blush=0.12"
    rows = edits(expressions={"targets": ["shy"], "strengths": [0.5, 1], "prompt": "dual"})
    head = "Edit the character to show a shy expression"
    assert rows[0].prompt.startswith(f"{head}, slight: ")
    assert rows[1].prompt.startswith(f"{head}, strong: ")
    assert "blushing cheeks" in rows[0].prompt


def test_instructions_from_any_expression_to_any_other():
    happy = BASE.updated(expression="happy", strength=0.8)
    found = edits(happy, instructions={})
    assert [row.expression for row in found] == [NEUTRAL, "sad", "angry", "surprised", "fear", "disgust"]
    rest, sad = found[:2]
    assert (rest.strength, rest.units, rest.combination) == (0.0, None, None)
    assert rest.dense.startswith("Let go of the expression of happiness. Let the whole face rest")
    assert sad.simple == "Make the character look sad."
    assert (sad.prompt, sad.granularity) == (sad.dense, "dense")
    assert "Pull the corners of the mouth down" in sad.dense
    assert all(0.6 <= row.strength <= 1 for row in found[1:])
    simple = edits(happy, instructions={"tell": "simple", "num_targets": 2})
    assert len(simple) == 2
    assert all(row.prompt == row.simple for row in simple)


@pytest.mark.parametrize(
    ("expression", "sweeps", "instructed"), [(None, 12, 0), (NEUTRAL, 12, 6), ("happy", 0, 6), ("shy", 0, 0)]
)
def test_which_bases_are_edited(expression, sweeps, instructed):
    base = BASE.updated(expression=expression)
    found = edits(base, expressions={"strengths": [1]}, instructions={})
    assert sum(row.granularity is None for row in found) == sweeps
    assert sum(row.granularity is not None for row in found) == instructed
    assert Compose(ComposeSettings.model_validate({"expressions": {}}))(base)[0] == base


def test_a_library_of_ones_own(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "version: 1\n"
        "attributes: {mouth: {closed: {words: a closed mouth, units: {}},"
        " smile: {words: a smile, units: {lip_corner_pull: 1.0}}}}\n"
        "expressions: {happy: {mouth: [smile]}}\n"
    )
    (row,) = edits(library=str(file), expressions={"targets": ["happy"], "strengths": [1], "prompt": "dual"})
    assert (row.combination, row.units) == ("happy:smile", "lip_corner_pull=1")
    compose = Compose(ComposeSettings.model_validate({"library": str(file), "expressions": {}}))
    with pytest.raises(InputError, match="no combinations of angry: it has happy"):
        compose(BASE)


@pytest.mark.parametrize(
    ("compose", "problem"),
    [
        ({}, "nothing is asked for"),
        ({"expressions": {"targets": ["neutral"]}}, "a neutral face has no strength"),
        ({"expressions": {"targets": ["happy", "smile"]}}, "name each of targets once"),
        ({"expressions": {"targets": ["hapy"]}}, "did you mean happy"),
        ({"expressions": {"prompt": "dual", "num_combinations": None}}, "dual prompts"),
        ({"instructions": {"strengths": [1.0, 0.5]}}, "the lowest, then the highest"),
    ],
)
def test_settings_that_cannot_be(compose, problem):
    with pytest.raises(ValidationError, match=problem):
        people(compose=compose, generate={"editor": "truth"})


def of_my_own(folder: Path, smile: str, frown: str) -> str:
    """A library of three combinations of happy, of which the rules refuse the last."""
    file = folder / "mine.yaml"
    file.write_text(
        "version: 1\n"
        "attributes: {mouth: {closed: {words: a closed mouth, units: {}},"
        f" one: {{words: a smile, units: {smile}}}, two: {{words: a frown, units: {frown}}},"
        " three: {words: both, units: {lip_press: 1.0, lips_part: 1.0}}}}\n"
        "expressions: {happy: {mouth: [one, two, three]}}\n"
    )
    return str(file)


SMILE = "{lip_corner_pull: 1.0, cheek_raise: 0.75, lips_part: 0.9}"
FROWN = "{lip_corner_depress: 1.0, inner_brow_raise: 1.0, brow_lower: 0.35}"
HAPPY = {"expressions": {"targets": ["happy"], "strengths": [1]}}


def test_the_embedded_judge_takes_out_what_reads_as_something_else(tmp_path):
    settings = ComposeSettings.model_validate(
        {**HAPPY, "library": of_my_own(tmp_path, SMILE, FROWN), "judge": "embedded"}
    )
    found = Compose(settings, tmp_path).combinations.to_json()["happy"]
    assert found["kept"] == ["happy:one"]
    assert re.match(r"reads as sad \(0\.\d\d\), not as itself \(0\.0\d\)", found["refused"]["happy:two"])
    assert found["refused"]["happy:three"] == "lip_press 1 against lips_part 1"


def scripted(folder: Path, **marks: float) -> str:
    """A model that marks descriptions of happy."""
    lines = [
        json.dumps(
            {
                "question": Question({}, "human", words=f"happy: {words.replace('_', ' ')}").sha256,
                "answer": {"reason": "So it is.", "mark": mark},
            }
        )
        for words, mark in marks.items()
    ]
    file = folder / "answers.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return f"scripted:{file}"


def test_a_model_is_asked_in_words(tmp_path):
    library = of_my_own(tmp_path, SMILE, FROWN)
    asked = {**HAPPY, "library": library, "judge": scripted(tmp_path, a_smile=9, a_frown=1)}
    compose = Compose(ComposeSettings.model_validate(asked), tmp_path)
    assert compose.combinations.refused["happy"]["happy:two"] == "marked 1: So it is."
    assert [row.combination for row in compose.edits(BASE)] == ["happy:one"]
    assert set(compose.record()) == {"library", "judge"}
    silent = {**asked, "judge": scripted(tmp_path, something_else=1)}
    with pytest.raises(RemoteError, match="says nothing: no verdict"):
        edits(folder=tmp_path, **silent)
    strict = {**asked, "judge": scripted(tmp_path, a_smile=3, a_frown=1)}
    with pytest.raises(InputError, match="no combination of happy is left"):
        edits(folder=tmp_path, **strict)


def test_the_step_lists_what_was_refused(tmp_path):
    config = people(2, compose=HAPPY, generate={"editor": "truth"})
    for _ in build(tmp_path / "set", config, until="compose"):
        pass
    listed = json.loads((tmp_path / "set/compose/combinations.json").read_text())
    assert set(listed) == {"happy"}
    known = read_library().combinations("happy")
    assert listed["happy"]["kept"] == [one.name for one in known if not one.moves_head]
    moving = [one.name for one in known if one.moves_head]
    assert moving
    assert {listed["happy"]["refused"][name] for name in moving} == {
        "moves the head, and compose.moves_head is false"
    }


def test_heads_move_where_it_is_asked_for_and_other_sets_are_what_they_were():
    wanted = {"targets": ["happy"], "num_combinations": 100}
    sweep = {**wanted, "strengths": [1]}
    still, moved = (edits(expressions=sweep, moves_head=moves) for moves in (False, True))
    assert not any("head_" in row.units for row in still)
    assert any("head_tilt" in row.units for row in moved)
    told = edits(instructions={**wanted, "strengths": [1, 1], "bases": [NEUTRAL]}, moves_head=True)
    for row in told:
        assert ("Keep the identity, the shoulders" in row.dense) == ("head_" in row.units)
    assert "moves_head" not in ComposeSettings.model_validate({"expressions": {}}).model_dump()
    assert ComposeSettings.model_validate({"expressions": {}, "moves_head": True}).model_dump()["moves_head"]
