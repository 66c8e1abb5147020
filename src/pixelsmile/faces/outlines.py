"""Faces drawn into their picture, for people to choose among them."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from pixelsmile.faces.face import Face

_LINE = (255, 221, 51)
_EDGE = (20, 20, 24)  # around every line, so that it shows on white as well
_LINES_ACROSS = 300  # a line is this fraction of the longer side


def draw_faces(image: Image.Image, faces: Sequence[Face]) -> Image.Image:
    """A copy of the picture with boxes, landmarks and numbers from 1, legible on light and dark."""
    drawn = image.copy()
    draw = ImageDraw.Draw(drawn)
    line = max(2, round(max(image.size) / _LINES_ACROSS))
    for face in faces:
        _box(draw, face, line)
    for face in faces:
        _landmarks(draw, face, line)
    for number, face in enumerate(faces, 1):  # last, so that no neighbour covers them
        _number(draw, face, str(number), line, image.size)
    return drawn


def _box(draw: ImageDraw.ImageDraw, face: Face, line: int) -> None:
    edge = max(1, line // 2)
    x0, y0, x1, y1 = (round(value) for value in face.box)
    draw.rectangle((x0 - edge, y0 - edge, x1 + edge, y1 + edge), outline=_EDGE, width=line + 2 * edge)
    draw.rectangle((x0, y0, x1, y1), outline=_LINE, width=line)


def _landmarks(draw: ImageDraw.ImageDraw, face: Face, line: int) -> None:
    if face.landmarks_5 is None:
        return
    radius = min(1.5 * line, face.width / 20)
    for x, y in face.landmarks_5:
        for reach, colour in ((radius + max(1, line // 2), _EDGE), (radius, _LINE)):
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)


def _number(draw: ImageDraw.ImageDraw, face: Face, text: str, line: int, size: tuple[int, int]) -> None:
    """On a plate above the box's left corner, moved into the picture where it would stick out."""
    font = ImageFont.load_default(max(16, 8 * line))
    left, top, right, bottom = font.getbbox(text)
    margin = max(2, line)
    width, height = right - left + 2 * margin, bottom - top + 2 * margin
    x = min(max(face.box[0] - line, 0), max(size[0] - width, 0))
    y = min(max(face.box[1] - height, 0), max(size[1] - height, 0))
    draw.rectangle((x, y, x + width, y + height), fill=_EDGE, outline=_LINE, width=max(1, line // 2))
    draw.text((x + margin - left, y + margin - top), text, fill=_LINE, font=font)
