"""Where the face is in a drawn portrait: what a style of drawing reports beside its picture."""

from dataclasses import dataclass

Point = tuple[float, float]  # x, y in unit coordinates: 0..1 over the picture, y down


@dataclass(frozen=True)
class FaceAnchors:
    """The truth about where a face was drawn, in unit coordinates (0..1, y down)."""

    face_box: tuple[float, float, float, float]  # x0, y0, x1, y1: hairline or forehead to chin, ear to ear
    landmarks_5: tuple[Point, Point, Point, Point, Point]  # left eye, right eye (viewer's), nose tip, corners
    face_outline: tuple[
        Point, ...
    ]  # polygon around the facial skin, not closed (last point differs from first)
