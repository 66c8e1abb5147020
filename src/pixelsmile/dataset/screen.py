"""Screen: is an edit what was asked for, and nothing else? Five stages, after FED-Bench's pipeline.

    picture       one face, as large and as sharp as the base's, and all that `faces` asks of a base
    expression    base and edit show what they are labelled with, strongly enough, and no other expression
                  more; something has changed
    identity      it is still the same person
    background    outside of the face it is still the same picture
    agreement     people, or the judges of a panel, agree about it

Then what is seen of several edits together: duplicates, and sweeps that do not rise evenly. All is measured
before anything is decided, so that a row tells every number, whatever it was rejected for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.dataset.batches import EachRow
from pixelsmile.dataset.checks import Check
from pixelsmile.dataset.config import FaceSettings
from pixelsmile.dataset.edit_config import ScreenSettings
from pixelsmile.dataset.faces import with_face
from pixelsmile.dataset.folder import kept_picture
from pixelsmile.dataset.review import read_decisions
from pixelsmile.dataset.rows import Reason, Row, decoded_embedding
from pixelsmile.dataset.screen_checks import base_checks, edit_checks, limits_for, shows, sweep_checks
from pixelsmile.dataset.sweeps import step_ratio, sweep_drops
from pixelsmile.errors import ImageError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.faces.drift import background_error
from pixelsmile.faces.face import Face

JOINED = "; "  # between the faults of a row
# What a wrong strength looks like: such an edit still tells where the others of its sweep stand.
_OF_LABEL: frozenset[Reason] = frozenset(("too weak", "too strong", "other expression", "no change"))
_COMPARED_PX = 96  # side at which the faces of two edits are compared
_SHAPE_TOLERANCE = 0.01  # of width over height


@dataclass(frozen=True)
class Screen:
    """The step's function. folder: of the data set; faces: the settings of that step."""

    folder: Path
    settings: ScreenSettings
    faces: FaceSettings
    in_process = False
    batch_rows = 16
    keeps_batches = False

    def record(self) -> JsonValue:
        """Nothing beside the settings, the decisions and what `faces` has recorded."""
        return {}

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        found: list[Row] = []
        for _, group in groupby(rows, key=lambda row: row.group):
            base, *edits = group
            if base.base is None:
                found += self._screened(base, edits)
            else:
                found += [row.rejected("screen", "no base") for row in (base, *edits)]
        return found

    def _screened(self, base: Row, edits: Sequence[Row]) -> list[Row]:
        base = _labelled(base)
        of_base = _failed(base_checks(base, self.settings))
        if not edits:
            return [_decided(base, of_base)]
        group = _Group(self.folder, self.faces, base)
        rows = group.with_nearest(EachRow("screen", group.measured)(edits))
        rows = [self._voted(row) for row in rows]
        faults = {row.id: [*of_base, *_failed(edit_checks(row, self.settings, self.faces))] for row in rows}
        limits = limits_for(self.settings, base)
        whole = [row for row in rows if row.reason is None and _is_of_label(faults[row.id])]
        in_sweeps = group.in_sweeps(whole, limits.max_drop or 0.0)
        rows = [in_sweeps.get(row.id, row) for row in rows]
        for row in in_sweeps.values():
            faults[row.id] += _failed(sweep_checks(row, self.settings))
        good = [row for row in rows if row.reason is None and not faults[row.id]]
        if (least := limits.min_nearest_change) is not None:
            for row_id, (change, original) in group.copies(good, least).items():
                faults[row_id] = [
                    Check("nearest_change", "near duplicate", change, least, True, False, original)
                ]
        return [_decided(base, of_base), *(_decided(row, faults[row.id]) for row in rows)]

    def _voted(self, row: Row) -> Row:
        decisions = [_decisions(Path(path).expanduser()) for path in self.settings.decisions]
        votes = [each[row.id] for each in decisions if row.id in each]
        if not votes:
            return row
        return row.updated(num_votes=len(votes), keep_share=round(sum(votes) / len(votes), 4))


class _Group:
    """A base and what was seen of the edits of it."""

    def __init__(self, folder: Path, settings: FaceSettings, base: Row) -> None:
        self._folder, self._settings, self._base = folder, settings, base
        self._image = kept_picture(folder, base)
        self._faces = {base.id: self._compared(self._image)}  # by row: its face, to be compared with others

    def measured(self, row: Row) -> Row:
        """The edit with all numbers that are its own."""
        from pixelsmile.faces.likeness import box_in, face_error  # torch takes seconds to load

        base, size = self._base, self._image.size
        image = kept_picture(self._folder, row)
        row = with_face(row, image, self._settings, near=box_in(base.face.box, size, image.size))
        row = _labelled(row, base)
        if abs(image.width * size[1] / (image.height * size[0]) - 1) > _SHAPE_TOLERANCE:
            return row
        share = min(image.size) / min(size)
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        self._faces[row.id] = self._compared(image)
        faces = [base.face] if row.face_px is None else [base.face, row.face.scaled(1 / share)]
        row = row.updated(
            size_share=round(share, 4),
            face_change=round(face_error(self._image, image, faces[0]), 2),
            background_rmse=_background_rmse(self._image, image, faces),
        )
        return row if row.face_px is None else row.updated(**_beside(base, row, share))

    def with_nearest(self, rows: Sequence[Row]) -> list[Row]:
        """Each with the edit that is most like it, of those that are to differ from it."""
        found = []
        for row in rows:
            change, near = self._nearest(row, rows)
            found.append(row if near is None else row.updated(nearest=near.id, nearest_change=change))
        return found

    def in_sweeps(self, rows: Sequence[Row], tolerance: float) -> dict[str, Row]:
        """Those of sweeps, by id, with their place in it. tolerance: how far a score may fall."""
        sweeps: dict[tuple[object, ...], list[Row]] = {}
        for row in rows:
            if row.strength is not None and row.label_score is not None and shows(row) != NEUTRAL:
                key = (row.expression, row.combination, row.units, row.granularity)
                sweeps.setdefault(key, []).append(row)
        found: dict[str, Row] = {}
        for sweep in sweeps.values():
            sweep.sort(key=lambda row: row.strength or 0.0)
            drops = sweep_drops([row.label_score or 0.0 for row in sweep], tolerance)
            ratio = self._step_ratio([row for row, drop in zip(sweep, drops, strict=True) if drop == 0])
            for row, drop in zip(sweep, drops, strict=True):
                ratio_here = ratio if drop == 0 else None
                found[row.id] = row.updated(sweep_drop=round(drop, 4), step_ratio=ratio_here)
        return found

    def copies(self, rows: Iterable[Row], least: float) -> dict[str, tuple[float, str]]:
        """Those that differ by less from one that stays: by how much, and from which.

        Of those that are alike the one stays that fits its label best.
        """
        kept: list[Row] = []
        found: dict[str, tuple[float, str]] = {}
        for row in sorted(rows, key=lambda row: abs(row.label_excess or 0.0)):
            change, near = self._nearest(row, kept)
            if near is not None and change < least:
                found[row.id] = change, near.id
            else:
                kept.append(row)
        return found

    def _nearest(self, row: Row, rows: Iterable[Row]) -> tuple[float, Row | None]:
        others = [other for other in rows if _must_differ(row, other) and other.id in self._faces]
        if row.id not in self._faces or not others:
            return 0.0, None
        changes = [self._change(row, other) for other in others]
        least = int(np.argmin(changes))
        return round(changes[least], 2), others[least]

    def _step_ratio(self, rows: Sequence[Row]) -> float | None:
        """Of the changes of the face from one to the next, from a neutral base on."""
        strengths = [row.strength or 0.0 for row in rows]
        if self._base.expression == NEUTRAL:
            rows, strengths = [self._base, *rows], [0.0, *strengths]
        if len(set(strengths)) < len(rows):
            return None
        ratio = step_ratio(strengths, [self._change(one, after) for one, after in pairwise(rows)])
        return None if ratio is None else round(ratio, 3)

    def _change(self, one: Row, other: Row) -> float:
        return float(np.sqrt(np.mean((self._faces[one.id] - self._faces[other.id]) ** 2)))

    def _compared(self, image: Image.Image) -> np.ndarray:
        """Where the base has its face, at one size for all: float32 (S, S, 3)."""
        x0, y0, x1, y1 = self._base.face.box
        box = (max(0.0, x0), max(0.0, y0), min(x1, image.width), min(y1, image.height))
        side = (_COMPARED_PX, _COMPARED_PX)
        return np.asarray(image.resize(side, Image.Resampling.BILINEAR, box=box), np.float32)


def _beside(base: Row, row: Row, share: float) -> dict[str, float]:
    """The face of an edit beside that of its base. share: the edit's size over the base's."""
    assert base.face_px is not None
    assert base.embedding is not None
    assert row.face_px is not None
    assert row.embedding is not None
    scale = row.face_px / share / base.face_px
    one, other = decoded_embedding(base.embedding), decoded_embedding(row.embedding)
    cosine = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    found = {"face_scale": round(max(scale, 1 / scale), 4), "identity_cosine": round(cosine, 4)}
    if base.sharpness and row.sharpness is not None:
        found["sharpness_share"] = round(row.sharpness / base.sharpness, 4)
    return found


def _labelled(row: Row, base: Row | None = None) -> Row:
    """The row with how well it shows its label, by the judge's scores; of an edit also how far they moved."""
    if row.scores is None:
        return row
    judged, before = row.judged, {} if base is None else base.judged
    steps = [score - before[name] for name, score in judged.items() if name in before]
    found: dict[str, float | str] = {}
    if steps:
        found["score_change"] = round(float(np.linalg.norm(steps)), 4)
    wanted = shows(row)
    others = {name: score for name, score in judged.items() if name != wanted}
    if others and wanted is not None:
        found["other"] = max(others, key=lambda name: others[name])
    if wanted == NEUTRAL and judged:
        found["label_score"] = round(1 - max(judged.values()), 4)
    elif wanted in judged:
        asked = min(1.0, 1.0 if row.strength is None else row.strength)
        score = judged[wanted]
        found |= {"label_score": score, "label_fit": round(score / asked, 4)}
        found["label_excess"] = round(score - asked, 4)
        if others:
            found["other_excess"] = round(max(others.values()) - score, 4)
    return row.updated(**found)


def _decided(row: Row, faults: Sequence[Check[Reason]]) -> Row:
    """The row as it goes on, or rejected for the first of its faults; all are told."""
    if row.reason is not None or not faults:
        return row
    first = faults[0]
    row = row.updated(faults=JOINED.join(dict.fromkeys(check.fault for check in faults)))
    detail = first.detail or (row.other if first.fault == "other expression" else None)
    return row.rejected("screen", first.fault, first.measured, first.limit, detail)


def _is_of_label(faults: Sequence[Check[Reason]]) -> bool:
    return all(check.fault in _OF_LABEL for check in faults)


def _failed(found: Iterable[Check[Reason]]) -> list[Check[Reason]]:
    return [check for check in found if not check.is_met]


def _must_differ(one: Row, other: Row) -> bool:
    """Not two prompts for one change of the face, which may well give one picture."""
    if one.id == other.id:
        return False
    asked, also = ((row.expression, row.strength, row.units) for row in (one, other))
    return asked != also or one.prompt == other.prompt


def _background_rmse(source: Image.Image, edit: Image.Image, faces: list[Face]) -> float | None:
    """None where the faces fill the picture."""
    try:
        return round(background_error(source, edit, faces)[0], 2)
    except ImageError:
        return None


@cache
def _decisions(path: Path) -> dict[str, bool]:
    return read_decisions(path)
