"""Photographs, edits of them by the geometric editor, and planted faults, for `screens.py photographs`."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from planted import Planted, zoomed

from pixelsmile import Editor
from pixelsmile.dataset.config import FaceSettings
from pixelsmile.dataset.faces import Faces
from pixelsmile.dataset.rows import Row, row_id
from pixelsmile.faces.alignment import similarity, warp
from pixelsmile.faces.masks import face_mask
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.judges.photo.scores import CATEGORIES

NUM_EDITS = 4  # clean ones of a person
JPEG_QUALITIES = (88, 90, 92, 94)  # in turn, so that no edit has its base's bytes


class Photographs:
    """Writes the pictures of a set into a folder. bases: those whose one face is good enough for `faces`."""

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self._folder, self._num = folder, 0
        self._editor = Editor.from_pretrained("geometric")
        self.bases: list[tuple[Row, Image.Image]] = []
        for path in paths:
            image = load_image(path)
            row = Faces(folder, FaceSettings())(self._row(path.stem, image))
            print(f"{path.stem}: {row.reason or 'kept'}")
            if row.reason is None:
                self.bases.append((row, image))

    def groups(self, places: Sequence[int]) -> Iterator[list[Planted]]:
        """Of these bases: each with its clean edits, and one edit for each fault."""
        for place in places:
            yield self._group(place)

    def _group(self, place: int) -> list[Planted]:
        base, image = self.bases[place]
        stranger, other = self.bases[(place + 1) % len(self.bases)]
        names = [CATEGORIES[(place + step) % len(CATEGORIES)] for step in range(NUM_EDITS)]
        edits = {name: self._editor.edit(image, expression=name, strengths=[1.0]).images[0] for name in names}
        group = [Planted(base), *(self._edit(base, name, 1.0, edit, None) for name, edit in edits.items())]
        name, wrong, third, *_ = names
        right = edits[name]
        planted = {
            "wrong expression": edits[wrong],
            "no change": image,
            "swapped identity": _with_face(image, base, other, stranger),
            "changed background": _with_background(right, base, other),
            "blur": right.filter(ImageFilter.GaussianBlur((base.face_px or 0) / 100)),
            "two faces": _with_second(right, base, other, stranger),
            "duplicate": right,
            "too weak": self._editor.edit(image, expression=name, strengths=[1 / 3]).images[0],
            "zoomed": zoomed(right, 1.15),
        }
        for fault, picture in planted.items():
            strength = 0.9 if fault == "duplicate" else 1.0
            group.append(self._edit(base, name, strength, picture, fault))
        group.append(self._edit(base, third, 1.0, edits[wrong], "wrong expression"))
        return group

    def _edit(
        self, base: Row, expression: str, strength: float, image: Image.Image, fault: str | None
    ) -> Planted:
        row = self._row(f"{base.key}-{expression}-{strength:g}", image)
        asked = {"expression": expression, "strength": strength, "prompt": f"{expression} {strength} {fault}"}
        return Planted(row.updated(base=base.id, base_picture=base.picture, **asked), fault)

    def _row(self, key: str, image: Image.Image) -> Row:
        self._num += 1
        name, data = f"{self._num:05}.jpg", io.BytesIO()
        image.convert("RGB").save(data, "JPEG", quality=JPEG_QUALITIES[self._num % len(JPEG_QUALITIES)])
        (self._folder / name).write_bytes(data.getvalue())
        row = Row(id=row_id("photographs", name, ""), source="photographs", key=key, domain="human")
        size = {"width_px": image.width, "height_px": image.height}
        return row.updated(picture=name, sha256=sha256_bytes(data.getvalue()), **size)


def _with_face(image: Image.Image, row: Row, other: Image.Image, stranger: Row) -> Image.Image:
    """Somebody else's face in the place of this one's."""
    moved = warp(np.asarray(other), similarity(stranger.landmarks_5, row.landmarks_5), image.size)
    mask = face_mask(row.face, image.size, soft=0.3)[..., None]
    return Image.fromarray((mask * moved + (1 - mask) * np.asarray(image)).round().astype(np.uint8))


def _with_background(image: Image.Image, row: Row, other: Image.Image) -> Image.Image:
    """Half of another picture shines through, but for the face and what is near to it."""
    shown = np.asarray(other.resize(image.size, Image.Resampling.BILINEAR), np.float64)
    mask = face_mask(row.face, image.size, grow=1.6, soft=0.3)[..., None]
    mixed = 0.5 * shown + 0.5 * np.asarray(image)
    return Image.fromarray((mask * np.asarray(image) + (1 - mask) * mixed).round().astype(np.uint8))


def _with_second(image: Image.Image, row: Row, other: Image.Image, stranger: Row) -> Image.Image:
    """A second face in the corner that is farthest from the first."""
    x0, y0, x1, y1 = map(round, stranger.face.box)
    side = max(1, round(min(image.size) / 3))
    cut = other.crop((x0 - (x1 - x0) // 3, y0 - (y1 - y0) // 3, x1 + (x1 - x0) // 3, y1 + (y1 - y0) // 3))
    x = 0 if row.face.box[0] + row.face.box[2] > image.width else image.width - side
    y = 0 if row.face.box[1] + row.face.box[3] > image.height else image.height - side
    found = image.copy()
    found.paste(cut.resize((side, side), Image.Resampling.BILINEAR), (x, y))
    return found
