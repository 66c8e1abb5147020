"""The embedded judge: it scores portraits that this project draws, and edits of them. It knows nothing else.

A detector finds the face, a network scores it. Photographs and other people's drawings get no verdict: no
face that the detector knows is in them, or the face does not look like the drawn ones (`DrawnRegion`).
"""

import asyncio
import json
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pixelsmile.embedded import detector_path, judge_path
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.faces.alignment import similarity, warp
from pixelsmile.faces.detectors.drawn import DrawnDetector
from pixelsmile.faces.face import Face
from pixelsmile.hashing import sha256_bytes, sha256_file, sha256_json
from pixelsmile.judges.judge import (
    JudgeIdentity,
    NoVerdict,
    Question,
    Verdict,
)
from pixelsmile.networks.convolutional import CONFIG_FILE, WEIGHTS_FILE
from pixelsmile.networks.expression_judge import EmbeddedJudgeNetwork, to_tensor
from pixelsmile.networks.face_detector import DrawnFaceNetwork

# Eyes and nose tip, in sides of the crop: 2.7 eye distances are one side, 1.0 of them lies above the eyes,
# 1.7 below. A jaw dropped as far as drawings go ends 1.72 below; drops of sweat hang 0.9 above. The mouth has
# no say in it: it moves with the expression, and an alignment on its corners would take that away.
TEMPLATE_3 = np.array([[0.3148, 0.3704], [0.6852, 0.3704], [0.5, 0.5480]])
NUM_FIXED = len(TEMPLATE_3)  # of the five landmarks, the first


def face_crop(image: Image.Image, landmarks_52: np.ndarray, size_px: int, margin_px: int = 0) -> np.ndarray:
    """What the judge looks at: the face, upright, from the forehead to the chin, and a margin on every side.

    uint8 (S, S, 3) with S = size_px + 2 * margin_px. A larger picture is scaled down first, smoothly, so that
    a face looks the same from pictures of any size. Black outside of the picture. InputError where the
    landmarks lie on one spot.
    """
    target_32 = TEMPLATE_3 * size_px + margin_px
    fixed_32 = np.asarray(landmarks_52, np.float64)[:NUM_FIXED]
    matrix_23 = similarity(fixed_32, target_32)
    scale = math.hypot(*matrix_23[:, 0])
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        shrunk_by = np.array([width / image.width, height / image.height])
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        matrix_23 = similarity(fixed_32 * shrunk_by, target_32)
    side = size_px + 2 * margin_px
    return warp(np.asarray(image), matrix_23, (side, side)).round().astype(np.uint8)


RUBRIC = "drawn-scores-1"
# What the scores mean. Whoever changes it makes a new version.
_RUBRIC_TEXT = (
    "The scores of a drawn portrait as portraits.scores computes them from its action units; the dominant "
    "expression is the one with the highest score, or neutral where none reaches the limit."
)
SMALLEST_FACE_PX = 20.0  # root of the area of its box: below this brows and lids are no more than a pixel
LOOK_PX = 192  # of the first look at a picture: portraits are known from far, the second look is close
_NUM_DIGITS = 4  # of a score: beyond them, machines and thread counts differ


@dataclass(frozen=True, eq=False)
class ScoredFace:
    """What is seen of a face that looks drawn."""

    landmarks: np.ndarray  # five, as Face has them
    raw_scores: np.ndarray  # of EXPRESSIONS, as the network gives them
    transcript: str

    @property
    def scores(self) -> np.ndarray:
        """The scores as a verdict has them: 0..1, rounded."""
        return np.array([round(float(score), _NUM_DIGITS) for score in self.raw_scores.clip(0, 1)])


class EmbeddedJudge:
    """Twelve scores of the surest face in a picture, without a network connection, the same every time.

    path: a folder that the recipe made (default: the one that ships); detector: that of the face detector.
    ModelError where one is absent or damaged.
    """

    def __init__(self, path: Path | None = None, *, detector: Path | None = None) -> None:
        folder, detector = path or judge_path(), detector or detector_path()
        self._network = EmbeddedJudgeNetwork.load(folder).to(memory_format=torch.channels_last)
        self._detector = DrawnDetector(DrawnFaceNetwork.load(detector), max_side_px=LOOK_PX)
        self._one_at_a_time = threading.Lock()  # each uses all cores already
        self.identity = JudgeIdentity(
            "embedded",
            self._network.config.name,
            RUBRIC,
            sha256_bytes(_RUBRIC_TEXT.encode()),
            {
                "weights_sha256": _sha256_folder(folder, CONFIG_FILE, WEIGHTS_FILE),
                "detector_sha256": _sha256_folder(detector, CONFIG_FILE, WEIGHTS_FILE),
                "neutral_below": self._network.config.neutral_below,
                "smallest_face_px": SMALLEST_FACE_PX,
                "look_px": LOOK_PX,
            },
        )

    async def judge(self, question: Question) -> Verdict | NoVerdict:
        """A verdict on the one picture, or `unsuited`: it knows no such face. It sees the domain."""
        (picture,) = question.pictures.values()
        return await asyncio.to_thread(self._judge, picture.image)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def judge_pictures(self, images: Sequence[Image.Image]) -> list[Verdict | NoVerdict]:
        """The same for many upright RGB pictures, in their order; `judge` says the same of each."""
        return [self._judge(image) for image in images]

    def look(self, image: Image.Image) -> ScoredFace | NoVerdict:
        """What is seen of the surest face in an upright RGB picture, or why it is `unsuited`."""
        # One picture at a time through the network: in a batch the last bits depend on the others in it.
        with self._one_at_a_time, torch.inference_mode():
            faces = self._detector.detect(image)
            if not faces:
                return self._unsuited("there is no face as pixelsmile draws them")
            return self._look_at(image, faces[0])

    def _judge(self, image: Image.Image) -> Verdict | NoVerdict:
        look = self.look(image)
        return look if isinstance(look, NoVerdict) else self._verdict(look)

    def _look_at(self, image: Image.Image, face: Face) -> ScoredFace | NoVerdict:
        size_px = (face.width * face.height) ** 0.5
        if size_px < SMALLEST_FACE_PX:
            return self._unsuited(f"the face has {size_px:.0f} px, it takes {SMALLEST_FACE_PX:.0f}")
        assert face.landmarks_5 is not None
        try:
            crop_HWC = face_crop(image, face.landmarks_5, self._network.config.crop_px)
        except InputError:  # the detector sees a face, but not where its parts are
            return self._unsuited("eyes and nose lie on one spot")
        seen = self._network(to_tensor(crop_HWC[None]).contiguous(memory_format=torch.channels_last))
        region = self._network.region
        distance, drawn = float(region.distances(seen.looks)[0]), float(seen.drawn[0])
        scores_E = seen.scores[0].double().numpy()
        transcript = _transcript(face, distance, drawn, scores_E)
        if not (distance <= region.limit and drawn >= region.least_drawn):
            detail = (
                f"the face does not look drawn by pixelsmile (distance {distance:.2f}, at most "
                f"{float(region.limit):.2f}; drawn {drawn:.2f}, at least {float(region.least_drawn):.2f})"
            )
            return self._unsuited(detail, (transcript,))
        return ScoredFace(face.landmarks_5, scores_E, transcript)

    def _verdict(self, look: ScoredFace) -> Verdict:
        scores = dict(zip(EXPRESSIONS, map(float, look.scores), strict=True))
        highest = int(look.raw_scores.argmax())  # two full ones would be a tie once cut
        sure = look.raw_scores[highest] >= self._network.config.neutral_below
        dominant = EXPRESSIONS[highest] if sure else NEUTRAL
        return Verdict(self.identity.id, scores, dominant, (look.transcript,))

    def _unsuited(self, detail: str, transcript: tuple[str, ...] = ()) -> NoVerdict:
        return NoVerdict(self.identity.id, "unsuited", detail, transcript)


def _transcript(face: Face, distance: float, drawn: float, scores_E: np.ndarray) -> str:
    """What was seen, before anything was cut, as JSON."""
    record = {
        "face": [round(value, 1) for value in face.box],
        "face_score": round(face.score, _NUM_DIGITS),
        "distance": round(distance, _NUM_DIGITS),
        "drawn": round(drawn, _NUM_DIGITS),
        "raw_scores": dict(
            zip(EXPRESSIONS, (round(float(score), _NUM_DIGITS) for score in scores_E), strict=True)
        ),
    }
    return json.dumps(record)


def _sha256_folder(folder: Path, *names: str) -> str:
    return sha256_json([sha256_file(folder / name) for name in names])
