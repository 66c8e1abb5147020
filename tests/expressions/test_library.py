"""The library of expressions: what it allows, what its rules take out, and what its words and units are."""

import pytest

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.expressions.library import Library, read_library
from pixelsmile.portraits import ActionUnits, scores
from pixelsmile.portraits.action_units import UNITS, checked_units

LIBRARY = read_library()


def test_every_expression_has_many_looks_that_drawn_truth_recognises():
    for expression in EXPRESSIONS:
        judged = [scores(ActionUnits(**one.units)) for one in LIBRARY.combinations(expression)]
        kept = [s for s in judged if max(s, key=s.__getitem__) == expression and s[expression] >= 0.6]
        assert len(kept) >= 20, expression


def test_attributes_are_made_of_units_and_regions_begin_at_rest():
    for region in LIBRARY.attributes.values():
        first, *others = region.values()
        assert first.units == {}
        for attribute in others:
            checked_units(attribute.units)
    assert {u for region in LIBRARY.attributes.values() for a in region.values() for u in a.units} <= set(
        UNITS
    )


def test_names_tell_combinations_apart_and_stay():
    names = [one.name for expression in EXPRESSIONS for one in LIBRARY.combinations(expression)]
    assert len(names) == len(set(names))
    assert names == [one.name for expression in EXPRESSIONS for one in LIBRARY.combinations(expression)]
    assert "happy:relaxed+open+ahead+rosy+laughing" in names


def test_heads_come_after_all_that_was_there_and_change_no_name():
    for expression in EXPRESSIONS:
        moves = [one.moves_head for one in LIBRARY.combinations(expression)]
        assert moves == sorted(moves)
        assert len(set(moves)) == 2
    every = [one for expression in EXPRESSIONS for one in LIBRARY.combinations(expression)]
    assert sum(not one.moves_head for one in every) == 522
    looks = {one.name: one for one in LIBRARY.combinations("happy")}
    assert looks["happy:tilted_left+raised+open+ahead+raised+smile_open"].units["head_tilt"] == -0.8
    assert next(iter(looks)) == "happy:relaxed+open+ahead+raised+smile_open"


def test_head_and_eyes_do_not_go_far_apart():
    reasons = {one.name: LIBRARY.refusal(one) for one in LIBRARY.candidates("disgust")}
    look = "disgust:turned_left+knitted+squinting+{}+wrinkled+relaxed+repelled"
    assert reasons[look.format("right")] == "head_turn -0.8 against gaze_x 0.55"
    assert reasons[look.format("left")] is None
    names = [one.name for one in LIBRARY.combinations("contempt")]
    assert any("raised" in name and "slightly_down" in name for name in names)  # looks down upon


def test_a_prompt_says_the_category_how_strong_and_what_the_face_does():
    (one,) = (c for c in LIBRARY.combinations("sad") if c.name == "sad:oblique+lowered+down+trembling")
    assert one.prompt(0.5, "anime") == (
        "Edit the character to show a sad expression, slight: the inner ends of the eyebrows drawn up, "
        "slightly lowered eyelids, looking down and a trembling parted mouth"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mouth": ("laughing", "pressed")}, None),
        ({"eyes": ("nearly_closed",), "gaze": ("up",)}, "nearly_closed and up exclude one another"),
        ({"eyes": ("drooping",), "brows": ("relaxed",)}, None),
    ],
)
def test_what_no_face_shows_is_refused_with_a_reason(change, reason):
    library = LIBRARY.model_copy(update={"expressions": {"happy": change}})
    reasons = {library.refusal(one) for one in library.candidates("happy")}
    assert reasons == {reason}


def test_units_that_pull_two_ways_are_refused(tmp_path):
    library = Library.model_validate(
        {
            "version": 1,
            "attributes": {
                "mouth": {
                    "closed": {"words": "x", "units": {}},
                    "pressed": {"words": "x", "units": {"lip_press": 0.8}},
                },
                "jaw": {
                    "up": {"words": "x", "units": {}},
                    "down": {"words": "x", "units": {"jaw_drop": 0.5}},
                },
                "lips": {
                    "in": {"words": "x", "units": {}},
                    "thin": {"words": "x", "units": {"lip_press": 0.5}},
                },
            },
            "expressions": {
                "sad": {"mouth": ["pressed"], "jaw": ["down"]},
                "angry": {"mouth": ["pressed"], "lips": ["thin"]},
            },
        }
    )
    assert [library.refusal(one) for one in library.candidates("sad")] == [
        "lip_press 0.8 against jaw_drop 0.5"
    ]
    assert [library.refusal(one) for one in library.candidates("angry")] == ["lip_press adds up to 1.3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nattributes: {}\nexpressions: {glad: {}}", "unknown expression 'glad'"),
        ("version: 1\nattributes: {}\nexpressions: {sad: {mouth: [a]}}", "unknown region 'mouth'"),
        (
            "version: 1\nattributes: {mouth: {}}\nexpressions: {sad: {mouth: [a]}}",
            "mouth has no attribute 'a'",
        ),
        ("version: 1\nattributes: {}\nexpressions: {}\nconflicts: [[a, b]]", "no attribute is called 'a'"),
        ("version: 1\nattributes: {}\nexpressions: {}\nmore: 1", "more"),
    ],
)
def test_a_library_with_a_slip_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "library.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refusal:
        read_library(path)
    assert "\n" not in str(refusal.value)
