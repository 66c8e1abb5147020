"""Editing chosen faces of a picture at its own resolution: crop, edit, paste back."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from PIL import Image

from pixelsmile.editing.edit_files import EditResult
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import Progress
from pixelsmile.editing.options import EditOptions
from pixelsmile.editing.pictures import ImageLike, Source, open_source
from pixelsmile.editing.requests import Request
from pixelsmile.errors import FaceError, InputError
from pixelsmile.faces.crops import DEFAULT_CONTEXT, FaceCrop, crop_to_edit
from pixelsmile.faces.face import Face, Masker
from pixelsmile.faces.masks import face_mask, feathered
from pixelsmile.faces.pasting import FittedEdit, fit_aligned, fit_edit, paste
from pixelsmile.results import check_domain

MASK_GROW = 1.25  # an open jaw, raised brows and a blush stay inside
MASK_SOFT = 0.2
MAX_CONTEXT = 8.0  # beyond it the editor sees next to nothing of the face
_PARSED_PX = 512  # side at which a masker sees the crop
_FEATHER = 0.08  # edge of a masker's mask, over the longer side of the face


@dataclass(frozen=True)
class PasteOptions:
    """How an edited face returns into its picture. InputError for a context out of its range.

    context: side of the square that is edited, over the longer side of the face box, from MASK_GROW (below it
    the square would cut the mask) to MAX_CONTEXT. guard_drift: measure and undo shift and zoom. keep_detail:
    keep structure finer than the editor's size where nothing changed. masker: pastes along the outlines of
    the face before and after, in place of an ellipse.
    """

    context: float = DEFAULT_CONTEXT
    guard_drift: bool = True
    keep_detail: bool = True
    masker: Masker | None = None

    def __post_init__(self) -> None:
        if not MASK_GROW <= self.context <= MAX_CONTEXT:
            raise InputError(
                f"context {self.context!r} is out of range: use one from {MASK_GROW:g} to {MAX_CONTEXT:g}"
            )


def stream_faces(
    editor: Editor,
    image: ImageLike,
    edits: Sequence[tuple[Face, Sequence[Request]]],
    paste_options: PasteOptions = PasteOptions(),
    **options: Unpack[EditOptions],
) -> Iterator[Progress | EditResult]:
    """Edit faces of one picture, each with its requests: Progress events, then a result for each request.

    All faces need equally many requests at the same strengths: result j shows each face's j-th request.
    The pictures have the size of `image`; outside of the masks no pixel changes, and where masks overlap, the
    later face lies on top. What was corrected stands in `settings["face"]`, with several faces
    in each of `settings["faces"]`. Raises what `Editor.stream` raises, and FaceError
    where a masker sees no face or the square around a face is no size for a picture.
    """
    if not edits:
        raise InputError("no faces given: choose at least one")
    if len({tuple(tuple(request.strengths) for request in requests) for _, requests in edits}) > 1:
        raise InputError("the faces of one picture need equally many requests, at the same strengths")
    source = open_source(image)
    editor.warn_of(source)
    made: EditOptions = {**options, "domain": options.get("domain") or source.domain, "restore": False}
    if source.path is not None:
        check_domain(source.path, source.portrait, made["domain"] or source.domain)
    layers: list[list[EditResult]] = [[] for _ in edits[0][1]]  # of each request, one a face
    for face, requests in edits:
        crop = crop_to_edit(face, source.image.size, paste_options.context)
        waiting = iter(layers)
        for event in editor.stream(crop.cut(source.image), requests, **made):
            if isinstance(event, Progress):
                yield event
                continue
            below = next(waiting)
            onto = below[-1].images if below else [source.image] * len(event.images)
            how = None if editor.engine.info.moves_units else paste_options
            below.append(_pasted(source, onto, face, crop, event, how))
    for result in map(_together, layers):
        notes = [*source.original.notes, *result.settings["notes"]]
        images = [source.original.restored(picture) for picture in result.images]
        yield replace(result, images=images, settings={**result.settings, "notes": notes})


def _together(layers: Sequence[EditResult]) -> EditResult:
    """One result of the faces that were pasted upon each other."""
    top = layers[-1]
    if len(layers) == 1:
        return top
    settings = {key: value for key, value in top.settings.items() if key != "face"}
    settings["faces"] = [layer.settings for layer in layers]
    return EditResult(
        ", ".join(layer.label for layer in layers), top.images, top.strengths, settings, top.source
    )


def _pasted(
    source: Source,
    onto: Sequence[Image.Image],
    face: Face,
    crop: FaceCrop,
    result: EditResult,
    how: PasteOptions | None,
) -> EditResult:
    """The edits of a crop upon whole pictures. how: None where edits lie on the picture pixel by pixel."""
    images, corrections = [], []
    for below, edit in zip(onto, result.images, strict=True):
        if how is None:
            fitted = fit_aligned(source.image, edit, crop)
        else:
            fitted = fit_face(source.image, edit, face, crop, how)
        images.append(paste(below, fitted))
        corrections.append(_correction(fitted))
        del fitted  # of a face that fills a large photograph 300 MB, while the next is made
    masker = None if how is None else how.masker
    described = {
        "box": [round(value, 2) for value in face.box],
        "source": face.source,
        "crop": [crop.left, crop.top, crop.side, crop.side],
        "turned_deg": round(math.degrees(crop.turn), 1),
        "mask": "changed pixels" if how is None else "ellipse" if masker is None else masker.name,
        "corrections": corrections,
    }
    return EditResult(result.label, images, result.strengths, {**result.settings, "face": described}, source)


def fit_face(
    picture: Image.Image, edit: Image.Image, face: Face, crop: FaceCrop, how: PasteOptions
) -> FittedEdit:
    """The edit of a face's crop, a square of any size, ready to be pasted into its picture.

    FaceError where a masker sees no face.
    """
    mask_HW = _mask(crop.face(face), crop.cut(picture), edit, how.masker)
    return fit_edit(picture, edit, crop, mask_HW, guard_drift=how.guard_drift, keep_detail=how.keep_detail)


def _mask(face: Face, source: Image.Image, edit: Image.Image, masker: Masker | None) -> np.ndarray:
    """Where the edit replaces the source, 0..1, at the size of the source's crop, in which `face` lies."""
    if masker is None:
        return face_mask(face, source.size, grow=MASK_GROW, soft=MASK_SOFT)
    side = min(_PARSED_PX, source.width)
    seen = face.scaled(side / source.width)
    parts = [masker.mask(picture.resize((side, side)), seen) > 0.5 for picture in (source, edit)]
    if not all(part.any() for part in parts):
        raise FaceError(f"{masker.name} sees no face where one was chosen: leave out --parser")
    mask_HW = feathered(np.logical_or(*parts), _FEATHER * max(seen.width, seen.height))
    return np.asarray(Image.fromarray(mask_HW).resize(source.size, Image.Resampling.BILINEAR))


def _correction(fitted: FittedEdit) -> dict[str, Any]:
    drift = fitted.drift
    return {
        "drift_px": None if drift is None else [round(drift.shift_x_px, 3), round(drift.shift_y_px, 3)],
        "zoom": None if drift is None else round(drift.zoom, 5),
        "color_gains": [round(gain, 4) for gain in fitted.gains],
        "color_offsets": [round(offset, 2) for offset in fitted.offsets],
        "detail_kept": fitted.detail,
    }
