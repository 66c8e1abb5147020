"""The human domain: a softly shaded, illustrated portrait."""

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.brush import Curve, Point, lerp, polygon, smooth_path
from pixelsmile.portraits.human.beard import paint_beard
from pixelsmile.portraits.human.eyes import paint_brows, paint_eyes, paint_glasses
from pixelsmile.portraits.human.geometry import FaceGeometry, face_geometry
from pixelsmile.portraits.human.hair import HairShapes, hair_shapes, paint_back_hair, paint_front_hair
from pixelsmile.portraits.human.mouth import paint_mouth
from pixelsmile.portraits.human.scene import paint_background, paint_body, soft_light
from pixelsmile.portraits.human.skin import paint_ears, paint_head, paint_nose, paint_sweat, paint_wrinkles
from pixelsmile.portraits.identity import Identity


def paint(canvas: skia.Canvas, identity: Identity, units: ActionUnits) -> None:
    """Paint the whole portrait; `canvas` is in unit coordinates (0..1, y down)."""
    geometry = face_geometry(identity, units)
    hair = hair_shapes(identity, geometry)
    paint_background(canvas, identity)
    canvas.save()
    canvas.concat(geometry.pose)
    paint_back_hair(canvas, identity, hair)
    canvas.restore()
    paint_body(canvas, identity, geometry)
    canvas.save()
    canvas.concat(geometry.pose)
    _paint_face(canvas, identity, units, geometry, hair)
    canvas.restore()
    soft_light(canvas)


def _paint_face(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, geometry: FaceGeometry, hair: HairShapes
) -> None:
    paint_ears(canvas, identity, geometry)
    paint_head(canvas, identity, units, geometry)
    paint_nose(canvas, identity, geometry)
    paint_wrinkles(canvas, identity, units, geometry)
    paint_beard(canvas, identity, geometry)
    paint_mouth(canvas, identity, geometry)
    paint_eyes(canvas, identity, geometry)
    paint_brows(canvas, identity, geometry)
    paint_sweat(canvas, units, geometry)
    paint_front_hair(canvas, identity, geometry, hair)
    paint_glasses(canvas, identity, geometry)


def anchors(identity: Identity, units: ActionUnits) -> tuple[Curve, Curve]:
    """Where `paint` draws the face, in unit coordinates of the picture: five landmarks, and its outline.

    Landmarks: left eye, right eye (the viewer's), nose tip, corners of the mouth. The outline is a polygon
    around the visible skin, its last point not the first.
    """
    geometry = face_geometry(identity, units)
    eyes = (geometry.left_eye.centre, geometry.right_eye.centre)
    landmarks = (*eyes, geometry.nose.tip, geometry.mouth.left, geometry.mouth.right)
    outline = _visible_skin(geometry, hair_shapes(identity, geometry))
    return geometry.to_picture(landmarks), geometry.to_picture(outline)


def _visible_skin(geometry: FaceGeometry, hair: HairShapes) -> Curve:
    """The outline of the head, drawn in towards the middle where hair hangs over it."""
    head = polygon(smooth_path(geometry.outline, closed=True))
    if hair.front is None:
        return head
    middle = geometry.nose.root
    return tuple(_out_of(hair.front, point, middle) for point in head)


def _out_of(hair: skia.Path, point: Point, middle: Point, steps: int = 40) -> Point:
    """The first place on the way from `point` to `middle` that no hair covers."""
    for i in range(steps):
        place = lerp(point, middle, i / steps)
        if not hair.contains(*place):
            return place
    return middle
