"""Faces that lie on their side or stand on their head: found, cut out upright, and put back as they lay."""

import math

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from pixelsmile.faces.alignment import roll_of
from pixelsmile.faces.crops import MAX_LEAN_DEG, crop_around, turn_of
from pixelsmile.faces.detectors.cascade import CascadeDetector
from pixelsmile.faces.detectors.loading import AnyWayUp
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import face_mask
from pixelsmile.faces.pasting import fit_edit, paste
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

SIDE = 300
BIG = 500


def portrait(expression="neutral"):
    return draw_portrait(sample_identity(7), action_units(expression), "human", SIDE)


def leaning(image, degrees):
    """The portrait in a larger picture, turned clockwise about its middle."""
    big = Image.new("RGB", (BIG, BIG), (90, 120, 150))
    big.paste(image, ((BIG - SIDE) // 2, (BIG - SIDE) // 2))
    return big.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(90, 120, 150))


def scene(degrees, expression="neutral"):
    """A portrait that is turned, and its face there: the box that holds the turned ellipse of its own."""
    drawn = portrait(expression)
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    marks = (drawn.truth.landmarks_5 - SIDE / 2) @ np.array([[cos, sin], [-sin, cos]]) + BIG / 2
    x0, y0, x1, y1 = drawn.truth.face_box
    middle = (np.array([x0 + x1, y0 + y1]) / 2 - SIDE / 2) @ np.array([[cos, sin], [-sin, cos]]) + BIG / 2
    half = np.hypot((x1 - x0) / 2 * np.array([cos, sin]), (y1 - y0) / 2 * np.array([sin, cos]))
    return leaning(drawn.image, degrees), Face((*(middle - half), *(middle + half)), marks, 1.0, "truth")


@pytest.mark.parametrize("degrees", [-170, -90, -45, 0, 10, 45, 90, 135, 180])
def test_how_far_a_face_is_turned(degrees):
    _, face = scene(degrees)
    off = math.degrees(roll_of(face.landmarks_5)) - degrees
    assert abs((off + 180) % 360 - 180) < 3  # a face is not quite ArcFace's template
    turned = abs(degrees) > MAX_LEAN_DEG
    assert (turn_of(face) != 0) is turned
    assert turn_of(Face(face.box, None, 1.0, "no landmarks")) == 0


@pytest.mark.parametrize("degrees", [-90, 45, 135, 180])
def test_a_turned_face_is_cut_out_upright(degrees):
    picture, face = scene(degrees)
    upright, straight = scene(0)
    crop, plain = crop_around(face, picture.size), crop_around(straight, upright.size)
    assert crop.side == pytest.approx(plain.side, rel=0.06)
    seen, wanted = (
        np.asarray(one.resize((64, 64)), float) for one in (crop.cut(picture), plain.cut(upright))
    )
    assert np.abs(seen - wanted).mean() < 12
    assert np.abs(seen[::-1] - wanted).mean() > 30
    inside = crop.face(face)
    assert abs(math.degrees(roll_of(inside.landmarks_5))) < 1
    target = plain.face(straight)
    assert inside.box == pytest.approx(target.box, abs=0.07 * crop.side)


@pytest.mark.parametrize("degrees", [45, 90, 180, -60])
def test_outside_of_the_mask_not_one_pixel_changes_and_what_is_left_alone_stays_sharp(degrees):
    picture, face = scene(degrees)
    crop = crop_around(face, picture.size)
    mask_HW = face_mask(crop.face(face), (crop.side, crop.side), grow=1.25, soft=0.2)
    same = fit_edit(picture, crop.cut(picture), crop, mask_HW)
    assert np.abs(np.asarray(paste(picture, same), int) - np.asarray(picture, int)).max() <= 1
    edit = Image.new("RGB", (crop.side, crop.side), (255, 0, 0))
    red = fit_edit(picture, edit, crop, mask_HW, guard_drift=False)
    changed = (np.asarray(paste(picture, red)) != np.asarray(picture)).any(-1)
    rows, columns = np.nonzero(changed)
    middle = np.array([columns.mean(), rows.mean()])
    assert np.abs(middle - np.reshape(face.box, (2, 2)).mean(0)).max() < 3
    reach = math.hypot(face.width, face.height) / 2 * 1.25
    assert np.hypot(columns - middle[0], rows - middle[1]).max() < reach


@pytest.mark.parametrize("degrees", [45, 180])
def test_an_edit_of_a_turned_face_is_that_of_the_upright_one_turned(degrees):
    picture, face = scene(degrees)
    happy, _ = scene(degrees, "happy")
    crop = crop_around(face, picture.size)
    mask_HW = face_mask(crop.face(face), (crop.side, crop.side), grow=1.25, soft=0.2)
    result = np.asarray(paste(picture, fit_edit(picture, crop.cut(happy), crop, mask_HW)), float)
    before, wanted = np.asarray(picture, float), np.asarray(happy, float)
    assert np.abs(result - wanted).mean() < np.abs(before - wanted).mean() / 4


def test_a_turned_face_at_the_border_of_its_picture():
    picture, face = scene(90)
    x0, y0, x1, y1 = (round(value) for value in face.box)
    tight = picture.crop((x0, y0, x1, y1))
    moved = Face((0, 0, x1 - x0, y1 - y0), face.landmarks_5 - (x0, y0), 1.0, "truth")
    crop = crop_around(moved, tight.size)
    assert crop.in_picture().mean() < 0.6
    mask_HW = face_mask(crop.face(moved), (crop.side, crop.side), grow=1.25, soft=0.2)
    result = paste(tight, fit_edit(tight, crop.cut(tight), crop, mask_HW))
    assert np.abs(np.asarray(result, int) - np.asarray(tight, int)).max() <= 1


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_face_of_a_photograph_is_found_any_way_up(degrees):
    photograph = Image.fromarray(astronaut())
    detector = AnyWayUp(CascadeDetector())
    (straight,), _ = detector.look(photograph)
    (face,), found = detector.look(photograph.rotate(-degrees))
    assert (detector.name, found, face.source) == ("cascade", degrees, "cascade")
    if degrees:
        assert math.degrees(turn_of(face)) % 360 == pytest.approx(degrees, abs=3)
    side = photograph.width
    middle = np.reshape(straight.box, (2, 2)).mean(0) - side / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    wanted = middle @ np.array([[cos, sin], [-sin, cos]]) + side / 2
    assert np.reshape(face.box, (2, 2)).mean(0) == pytest.approx(wanted, abs=2)


def test_where_there_is_no_face_there_is_none():
    detector = AnyWayUp(CascadeDetector())
    assert detector.look(Image.new("RGB", (200, 120), "grey")) == ([], 0)


class Boxes:
    """Finds one box in pictures that are higher than wide."""

    name = "boxes"

    def detect(self, image):
        return [Face((10, 20, 50, 70), None, 0.9, self.name)] if image.height > image.width else []


def test_a_box_in_a_turned_picture_tells_which_way_up_it_is():
    (face,), turn = AnyWayUp(Boxes()).look(Image.new("RGB", (200, 120)))
    assert turn == 90
    assert face.box == (130, 10, 180, 50)
    assert math.degrees(roll_of(face.landmarks_5)) == pytest.approx(90, abs=3)
