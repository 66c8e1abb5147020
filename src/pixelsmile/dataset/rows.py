"""A row: one picture of a data set, what is known of it, and for a rejected one by which step and why.

Rows are flat, so that a table holds them (Parquet, Ray Data): numbers, texts, lists of texts, and lists of
numbers of one length. A step adds fields and changes none of those before. Up to `identities` a row is a
picture that was found; `compose` puts behind each such base the edits of it that are asked for, rows like the
others.
"""

import base64
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from pixelsmile.editors.editor import Granularity
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.faces.face import Face
from pixelsmile.hashing import sha256_json
from pixelsmile.store.json_lines import Record

LABELS = (NEUTRAL, *EXPRESSIONS)  # what a picture can be said to show
STATISTICS = ("gender", "age_group", "skin_tone", "style")  # fields with the words of table 4
ID_DIGITS = 16  # hexadecimal: two of a million rows are alike once in 30 million sets

# Why a row is rejected, by the step that says so; reports count these words.
Reason = Literal[
    "unreadable",
    "picture too small",
    "no face",
    "several faces",
    "face too small",
    "turned away",
    "bent",
    "tilted",
    "no pose",
    "blurred",
    "too dark",
    "too bright",
    "clipped",
    "poor quality",
    "dropped by a person",
    "exact duplicate",
    "near duplicate",
    "too few pictures of the person",
    "refused",
    "no edit",
    "other size",
    "no base",
    "other shape",
    "face size changed",
    "blurred by the edit",
    "base not as labelled",
    "not judged",
    "too weak",
    "not neutral",
    "too strong",
    "other expression",
    "no change",
    "identity lost",
    "background changed",
    "no agreement",
    "not rising",
    "uneven steps",
    "no verdict",
    "failed",
    "worker died",
]

# What may be wrong with a picture that goes on: `doubts` says when.
Doubt = Literal[
    "no verdict",
    "not judged",
    "other expression",
    "weaker than asked",
    "stronger than asked",
    "not neutral",
    "contradicting scores",
    "judges disagree",
    "low confidence",
    "statistics disagree",
    "person differs",
]


class Row(Record):
    """One picture. Pixels, boxes and landmarks are of the upright picture, as `load_image` gives it."""

    id: str = Field(pattern=rf"^[0-9a-f]{{{ID_DIGITS}}}$")
    source: str  # its name in the configuration
    key: str  # the picture's name in there
    domain: Domain
    is_drawn: bool = False  # one of our drawn portraits
    licence: str | None = None
    origin: str | None = None  # where it is from, in words or as an address
    identity: str | None = None  # who it is, as the source says

    # collect
    sha256: str | None = None  # of the file
    picture: str | None = None  # the file, relative to the data set's folder
    width_px: int | None = None
    height_px: int | None = None
    identity_seed: int | None = None  # of a drawn person
    expression: str | None = None  # as the source says, as drawn, or as asked for
    strength: float | None = None
    variant: int | None = None  # of the drawn base

    # faces
    num_faces: int | None = None
    face_box: tuple[float, float, float, float] | None = None  # x0, y0, x1, y1
    landmarks: tuple[float, ...] | None = Field(default=None, min_length=10, max_length=10)  # x, y of five
    face_px: float | None = None  # the shorter side of the box
    yaw: float | None = None  # degrees, to the viewer's right; photographs only
    pitch: float | None = None  # degrees, down; photographs only
    roll: float | None = None  # degrees, clockwise
    sharpness: float | None = None  # of the face, at one size and contrast for all
    light: float | None = None  # mean luma of the face, 0..1
    clipped: float | None = None  # share of the face that is black or white, 0..1
    quality: float | None = None  # by the metric of `faces.quality`
    phash: str | None = Field(default=None, pattern="^[0-9a-f]{16}$")  # perceptual hash of the picture
    encoder: str | None = None
    embedding: str | None = None  # who the face is: see `decoded_embedding`

    # identities
    person: str | None = None  # one name for all pictures of a person

    # compose: of an edit that is asked for; a base has none of these
    base: str | None = Field(default=None, pattern=rf"^[0-9a-f]{{{ID_DIGITS}}}$")  # the row that is edited
    base_picture: str | None = None  # its file
    base_expression: str | None = None  # None where nobody says it
    base_strength: float | None = None
    combination: str | None = None  # of the library of expressions; None: the expression's canonical look
    units: str | None = None  # action units at full strength, as `parse_units` reads them; None of neutral
    prompt: str | None = None  # what editors are told that read words
    granularity: Granularity | None = None  # which instruction the prompt is; None where it is neither
    dense: str | None = None  # both instructions, where the edit is one to be instructed
    simple: str | None = None
    seed: int | None = None  # of the editor; of all strengths of a sweep the same

    # generate: an edit gets its picture, sha256, width_px and height_px
    editor: str | None = None

    # annotate
    judge: str | None = None  # or several, joined with +
    scores: tuple[float | None, ...] | None = Field(default=None, min_length=12, max_length=12)  # EXPRESSIONS
    dominant: str | None = None  # expression, as the judge says; `neutral` for a face at rest
    panel_scores: tuple[float | None, ...] | None = None  # of several judges, twelve each
    agreement: float | None = None  # of several: 1 less the largest difference of two scores
    confidence: float | None = None  # 0..1, see `doubts.confidence`
    no_verdict: str | None = None  # why nobody has scored it: the reason, and what was said
    doubts: tuple[Doubt, ...] | None = None  # what is odd about it; None before it is annotated
    statistician: str | None = None  # who says what follows
    gender: str | None = None  # this and the next four: the words of PixelSmile's table 4
    age_group: str | None = None
    skin_tone: str | None = None
    style: str | None = None  # of anime
    statistics_expression: str | None = None
    appearance: str | None = None  # a sentence each
    action: str | None = None
    background: str | None = None
    no_statistics: str | None = None  # why there are none, where they were asked for

    # screen: an edit beside its base, or beside the other edits of it
    size_share: float | None = None  # shorter side over the base's
    face_scale: float | None = None  # how much larger or smaller the face became, 1 or more
    sharpness_share: float | None = None  # sharpness over the base's
    label_score: float | None = None  # of the expression asked for, 0..1; of neutral 1 - the highest
    label_fit: float | None = None  # that over the strength asked for, at most 1
    label_excess: float | None = None  # that less the strength
    other: str | None = None  # which other expression is the strongest
    other_excess: float | None = None  # its score less that of the one asked for
    score_change: float | None = None  # distance of the scores from the base's
    face_change: float | None = None  # RMSE of the colours in the face, 0..255
    identity_cosine: float | None = None  # of the embeddings
    background_rmse: float | None = None  # of the colours outside of the face, 0..255
    nearest_change: float | None = None  # RMSE in the face to the edit of the same base that is most like it
    nearest: str | None = None  # which one
    num_votes: int | None = None  # people who have decided about it
    keep_share: float | None = None  # of them those who keep it
    sweep_drop: float | None = None  # how much its score contradicts the strengths of its sweep
    step_ratio: float | None = None  # the largest step of its sweep over the mean one
    faults: str | None = None  # every reason that speaks against it, joined with "; "

    # rejection
    step: str | None = None
    reason: Reason | None = None
    measured: float | None = None
    limit: float | None = None
    detail: str | None = None

    def updated(self, **fields: Any) -> Self:
        """The row with more fields, checked. ValueError for what cannot be written, as NaN."""
        return type(self).model_validate({**dict(self), **fields})

    def rejected(
        self,
        step: str,
        reason: Reason,
        measured: float | None = None,
        limit: float | None = None,
        detail: str | None = None,
    ) -> Self:
        """The row with the reason why it goes no further; what was measured, and against which limit."""
        return self.updated(step=step, reason=reason, measured=measured, limit=limit, detail=detail)

    @property
    def group(self) -> str:
        """The id of its base, or its own: rows of one group stay together from `compose` on."""
        return self.base or self.id

    @property
    def judged(self) -> dict[str, float]:
        """The scores that there are, by expression."""
        pairs = zip(EXPRESSIONS, self.scores or (), strict=self.scores is not None)
        return {name: score for name, score in pairs if score is not None}

    @property
    def face(self) -> Face:
        """Of a row whose face is known."""
        assert self.face_box is not None
        return Face(self.face_box, self.landmarks_5, 1.0, self.encoder or "")

    @property
    def landmarks_5(self) -> np.ndarray:
        """(5, 2). Of a row whose face is known."""
        assert self.landmarks is not None
        return np.array(self.landmarks).reshape(5, 2)


def row_id(source: str, key: str, sha256: str) -> str:
    """The same wherever the data set is built: of the bytes of the picture, and its name in its source."""
    return sha256_json([source, key, sha256])[:ID_DIGITS]


def encoded_embedding(embedding_D: np.ndarray) -> str:
    """An embedding of unit length as text: float16, little-endian, base64."""
    return base64.b64encode(embedding_D.astype("<f2").tobytes()).decode()


def decoded_embedding(text: str) -> np.ndarray:
    """(D,) float32, of unit length up to its rounding."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)
