"""The anime domain: a person and a set of action units in, a cel-shaded portrait out.

Only the inside of the face depends on the action units of the face, only the head on those of the head;
everything else stays the same, pixel for pixel.
"""

import skia

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anime.beard import paint_beard
from pixelsmile.portraits.anime.eyes import build_eye, paint_brows, paint_eye, paint_frown, paint_glasses
from pixelsmile.portraits.anime.frame import AnimeFrame, body_pose, face_outline, pose
from pixelsmile.portraits.anime.hair import Hair, build_hair, paint_back_hair, paint_front_hair
from pixelsmile.portraits.anime.ink import LINE, fill, glow, ink_of, outline, shaded
from pixelsmile.portraits.anime.mouth import build_mouth, paint_mouth
from pixelsmile.portraits.anime.scene import paint_background, paint_clothes, paint_neck
from pixelsmile.portraits.anime.skin import (
    nose_tip,
    paint_blush,
    paint_ears,
    paint_freckles,
    paint_nose,
    paint_skin,
    paint_sweat,
    paint_wrinkles,
)
from pixelsmile.portraits.brush import WHITE, Curve, clipped, polygon, smooth_path
from pixelsmile.portraits.identity import Identity

_SEEN_THROUGH = 0.80  # how strongly brows show through the fringe


def paint(canvas: skia.Canvas, identity: Identity, units: ActionUnits) -> None:
    """Paint the whole picture, background included, on a canvas whose unit square is the picture."""
    frame = AnimeFrame.of(identity, units)
    hair = build_hair(identity, frame)
    paint_background(canvas, identity)
    canvas.save()
    canvas.concat(pose(identity, units))
    if hair is not None:
        paint_back_hair(canvas, identity, hair)
    canvas.restore()
    canvas.save()
    canvas.concat(body_pose(identity))
    paint_neck(canvas, identity, frame)
    paint_clothes(canvas, identity)
    canvas.restore()
    canvas.save()
    canvas.concat(pose(identity, units))
    _paint_head(canvas, identity, units, frame, hair)
    canvas.restore()


def _paint_head(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame, hair: Hair | None
) -> None:
    """Ears, face, features, and the hair before them, in the face frame."""
    paint_ears(canvas, identity, frame)
    face = smooth_path(face_outline(frame, units), closed=True)
    paint_skin(canvas, identity, face, frame)
    if hair is None:
        _paint_scalp(canvas)
    else:
        _paint_fringe_shadow(canvas, identity, face, hair.front)
    canvas.drawPath(face, outline(ink_of(identity.skin), LINE))
    _paint_features(canvas, identity, units, frame, face)
    if hair is not None:
        paint_front_hair(canvas, identity, hair)
        paint_brows(canvas, identity, units, frame, _SEEN_THROUGH)
    paint_sweat(canvas, units, frame)


def _paint_features(
    canvas: skia.Canvas, identity: Identity, units: ActionUnits, frame: AnimeFrame, face: skia.Path
) -> None:
    """Everything that moves."""
    with clipped(canvas, face):
        paint_freckles(canvas, identity, frame)
        paint_wrinkles(canvas, identity, units, frame)
        paint_blush(canvas, identity, units, frame)
        mouth = build_mouth(identity, units, frame)
        chin = face_outline(frame, units)[9]
        paint_beard(canvas, identity, frame, face, mouth, chin)
        paint_nose(canvas, identity, units, frame)
        paint_mouth(canvas, identity, units, mouth)
    eyes = (build_eye(identity, units, frame, -1), build_eye(identity, units, frame, 1))
    for eye in eyes:
        paint_eye(canvas, identity, eye)
    paint_frown(canvas, identity, units, frame)
    paint_brows(canvas, identity, units, frame)
    paint_glasses(canvas, identity, eyes[0].centre, eyes[1].centre)


def _paint_fringe_shadow(canvas: skia.Canvas, identity: Identity, face: skia.Path, front: skia.Path) -> None:
    """The shadow that the hair throws on the face."""
    with clipped(canvas, face):
        canvas.translate(0.006, 0.020)
        canvas.drawPath(front, fill(shaded(identity.skin), 0.85))


def _paint_scalp(canvas: skia.Canvas) -> None:
    """The shine on a bald head."""
    spot = (0.43, 0.27)
    canvas.drawCircle(*spot, 0.075, glow(spot, 0.075, WHITE, 0.45))


def anchors(identity: Identity, units: ActionUnits) -> tuple[Curve, Curve]:
    """Where `paint` puts the face: see the `anchors` of the human domain."""
    frame = AnimeFrame.of(identity, units)
    mouth = build_mouth(identity, units, frame)
    landmarks = (
        build_eye(identity, units, frame, -1).centre,
        build_eye(identity, units, frame, 1).centre,
        nose_tip(identity, units, frame),
        mouth.left_corner,
        mouth.right_corner,
    )
    outline = polygon(smooth_path(face_outline(frame, units), closed=True))
    matrix = pose(identity, units)
    return _posed(matrix, landmarks), _posed(matrix, outline)


def _posed(matrix: skia.Matrix, points: Curve) -> Curve:
    """Points of the face frame in the unit coordinates of the picture."""
    mapped = matrix.mapPoints([skia.Point(x, y) for x, y in points])
    return tuple((p.fX, p.fY) for p in mapped)
