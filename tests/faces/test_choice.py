import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.errors import FaceError
from pixelsmile.faces.choice import ONLY, choose, manual_face, numbered, parse_choice
from pixelsmile.faces.face import Face

SIZE = (400, 300)


def face(x, y, side):
    return Face((x, y, x + side, y + side), np.zeros((5, 2)), 0.9, "test")


RIGHT, LEFT, MIDDLE = face(300, 50, 60), face(10, 40, 90), face(170, 120, 50)
FACES = [RIGHT, LEFT, MIDDLE]


def chosen(text):
    return choose(parse_choice(text), FACES, SIZE)


def test_faces_are_counted_from_left_to_right():
    assert numbered(FACES) == [LEFT, MIDDLE, RIGHT]
    assert chosen("1") == [LEFT]
    assert chosen("3") == [RIGHT]


def test_largest_centre_and_all():
    assert chosen("largest") == [LEFT]
    assert chosen("centre") == chosen(" Center ") == [MIDDLE]
    assert chosen("all") == [LEFT, MIDDLE, RIGHT]


def test_a_box_needs_no_detector():
    (manual,) = choose(parse_choice("20,30,100,80"), [], SIZE)
    assert manual.box == (20, 30, 120, 110)
    assert manual.landmarks_5 is None
    assert manual.source == "manual"


def test_a_box_over_the_border_is_cut_and_one_outside_refused():
    assert manual_face((-10, -10, 50, 50), SIZE).box == (0, 0, 50, 50)
    for text in ("400,10,50,50", "390,290,40,40", "0,0,5,200"):
        with pytest.raises(FaceError, match="covers less than 18 x 18 px of the picture"):
            chosen(text)


def test_without_a_choice_one_face_is_right_and_others_are_not_guessed():
    assert choose(ONLY, [LEFT], SIZE) == [LEFT]
    with pytest.raises(FaceError, match=r"3 faces in the picture .*choose with --face"):
        choose(ONLY, FACES, SIZE)
    with pytest.raises(FaceError, match="no face was found"):
        choose(ONLY, [], SIZE)


def test_the_whole_picture_needs_no_face():
    assert chosen("Whole") == []
    assert choose(parse_choice("whole"), [], SIZE) == []


def test_many_faces_make_one_short_line():
    crowd = [face(10 * index, 0, 20) for index in range(500)]
    with pytest.raises(FaceError) as error:
        choose(ONLY, crowd, SIZE)
    assert "and 494 more" in str(error.value)
    assert len(str(error.value)) < 400


def test_a_number_too_high_and_a_face_too_small():
    with pytest.raises(FaceError, match="there is no face 4, the picture has 3 faces"):
        chosen("4")
    with pytest.raises(FaceError, match="5 x 5 px, too small"):
        choose(parse_choice("1"), [face(0, 0, 5)], SIZE)


@pytest.mark.parametrize(
    "text", ["", "0", "biggest", "1,2,3", "1,2,3,4,5", "1,2,0,4", "1,2,nan,4", "1,2,-3,4"]
)
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(FaceError):
        parse_choice(text)


@given(st.text(max_size=12))
def test_any_text_is_a_choice_or_a_face_error(text):
    with contextlib.suppress(FaceError):
        parse_choice(text)
