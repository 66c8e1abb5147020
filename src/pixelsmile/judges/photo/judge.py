"""The judge of photographs: it looks at a person's face with the networks that ship, and needs no connection.

The mesh finds the face and says what its muscles do, a network of seven classes says what it sees, and
`scores` weighs the two. Of the twelve expressions it judges those of CATEGORIES; asked about another it has
no verdict. How often it is right it says on every report: `recipes/photo/quality.py` measured it.
"""

import asyncio
import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pixelsmile.embedded import photo_path
from pixelsmile.errors import FaceError, ModelError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.faces.choice import FaceChoice, choose
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.mesh import FaceMesh, load_mesh_networks
from pixelsmile.faces.mesh.mesh import LEFT_BROW, OVAL, RIGHT_BROW
from pixelsmile.faces.mesh.networks import Picture, open_network
from pixelsmile.hashing import sha256_bytes, sha256_file, sha256_json
from pixelsmile.judges.judge import (
    JudgeIdentity,
    NoVerdict,
    Question,
    Verdict,
)
from pixelsmile.judges.photo.scores import CATEGORIES, CLASSES, Evidence, load_fitted, weigh
from pixelsmile.limits import read_json_object, validated

FILE = "judge_quality.json"


class Quality(BaseModel):
    """How often it is right.

    fitted_sha256: of what the judge had then. on: which faces. confusion: by label, what was seen. Accuracies
    are shares of the faces that got a verdict, balanced: the mean over the classes. pearson: of scores and
    steps along sweeps whose strengths are known by their order alone. ms_per_face: on one core.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fitted_sha256: str
    on: str
    num_faces: int = Field(ge=1)
    num_without: int = Field(ge=0)
    accuracy: float = Field(ge=0, le=1)
    balanced_accuracy: float = Field(ge=0, le=1)
    by_class: dict[str, float]
    confusion: dict[str, dict[str, int]]
    pearson: dict[str, float]
    ms_per_face: float

    def remark(self, fitted_sha256: str) -> str:
        """One sentence for a reader of the judge's scores."""
        if fitted_sha256 != self.fitted_sha256:
            return "how often it is right was measured before it was fitted anew: measure it again"
        weak = [f"{name} {share:.2f}" for name, share in self.by_class.items() if share < _WEAK]
        worst = f"; rarely right on {', '.join(weak)}" if weak else ""
        return (
            f"right on {self.accuracy:.2f} of {self.num_faces} {self.on} (mean of the classes "
            f"{self.balanced_accuracy:.2f}{worst}); it judges no other expression"
        )


_WEAK = 0.3


@cache
def read_quality() -> Quality:
    """What ships. ModelError where it is absent or damaged."""

    def damaged(reason: str) -> ModelError:
        return ModelError(
            f"{FILE} of the judge of photographs is damaged ({reason}): install pixelsmile again"
        )

    return validated(Quality, read_json_object(photo_path() / FILE, error=damaged), "it", error=damaged)


RUBRIC = "photo-scores-1"
# What the scores mean. Whoever changes it makes a new version.
_RUBRIC_TEXT = (
    "How far the face of a photograph has gone from a face at rest to the full expression, 0 to 1, by a "
    "network of seven classes and the shape of the face together; 0 for expressions that are not judged. The "
    "dominant expression is the one with the most evidence, or neutral."
)
NO_PHOTOGRAPH = "it is no photograph of a person"
LARGEST = FaceChoice("largest")
SMALLEST_FACE_PX = 24.0
LARGEST_YAW_DEG = 55.0  # beyond, half of the face is not seen
_NETWORKS = ("detector-short", "detector-full", "landmarks", "blendshapes", "expressions")
_CROP_PX = 112
# face-api.js shows the network the box around jaw and brows (68 points, dlib's), a fifth larger.
_JAW = OVAL[OVAL.index(454) : OVAL.index(234) + 1]
_BOXED = (*_JAW, *LEFT_BROW[0], *RIGHT_BROW[0])
_ENLARGED = 1.2
_NUM_DIGITS = 4


@dataclass(frozen=True, eq=False)
class PhotoFace:
    """What is seen of a face."""

    mesh: FaceMesh
    evidence: Evidence
    transcript: str

    @property
    def scores(self) -> np.ndarray:
        """Of EXPRESSIONS, rounded; 0 for those that are not judged."""
        return np.array([round(self.evidence.scores.get(name, 0.0), _NUM_DIGITS) for name in EXPRESSIONS])


class PhotoJudge:
    """Scores of one face in a picture, the same every time. `face` says which, where there are several.

    ModelError where the installation lacks the networks.
    """

    def __init__(self, face: FaceChoice = LARGEST) -> None:
        self._face, self._fitted = face, load_fitted()
        self._detector = MeshDetector.load()
        self._networks = load_mesh_networks()
        self._expressions = open_network(photo_path() / "expressions.onnx")
        weights = [photo_path() / f"{name}.onnx" for name in _NETWORKS]
        parameters: dict[str, JsonValue] = {
            "weights_sha256": sha256_json([sha256_file(path) for path in weights]),
            "fitted_sha256": self._fitted.sha256,
            "categories": [*CATEGORIES, NEUTRAL],
            "face": _face_words(face),
            "smallest_face_px": SMALLEST_FACE_PX,
            "largest_yaw_deg": LARGEST_YAW_DEG,
        }
        rubric_sha256 = sha256_bytes(_RUBRIC_TEXT.encode())
        remark = read_quality().remark(self._fitted.sha256)
        self.identity = JudgeIdentity("photo", "seven-classes", RUBRIC, rubric_sha256, parameters, remark)

    async def judge(self, question: Question) -> Verdict | NoVerdict:
        """A verdict on the one picture, or `unsuited`: no face that it can judge, or another target."""
        if question.domain != "human":
            return self._unsuited(NO_PHOTOGRAPH)
        if question.target is not None and question.target.expression not in (*CATEGORIES, NEUTRAL):
            return self._unsuited(not_judged(question.target.expression))
        (picture,) = question.pictures.values()
        look = await asyncio.to_thread(self.look, picture.image)
        return look if isinstance(look, NoVerdict) else self._verdict(look)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def look(self, image: Image.Image) -> PhotoFace | NoVerdict:
        """What is seen of the face that is meant in an upright RGB picture, or why it is `unsuited`."""
        try:
            mesh = self._mesh(image)
        except FaceError as error:
            return self._unsuited(str(error))
        if mesh is None:
            return self._unsuited("there is no face")
        x0, y0, x1, y1 = mesh.box
        size_px, yaw = min(x1 - x0, y1 - y0), mesh.pose().yaw
        if size_px < SMALLEST_FACE_PX:
            return self._unsuited(f"the face has {size_px:.0f} px, it takes {SMALLEST_FACE_PX:.0f}")
        if abs(yaw) > LARGEST_YAW_DEG:
            return self._unsuited(
                f"the head is turned by {abs(yaw):.0f} degrees, more than {LARGEST_YAW_DEG:.0f}"
            )
        blendshapes = self._networks.blendshapes(mesh)
        seen = self._classes(Picture(image), mesh)
        evidence = weigh(seen, blendshapes, self._fitted)
        return PhotoFace(mesh, evidence, _transcript(mesh, seen, evidence))

    def _mesh(self, image: Image.Image) -> FaceMesh | None:
        if self._face.kind == "box":
            return self._networks.fit(image, *choose(self._face, [], image.size))
        meshes = [mesh for mesh, _ in self._detector.meshes(image)]
        if not meshes:
            return None
        if self._face.kind == "only" and len(meshes) > 1:
            raise FaceError(
                f"there are {len(meshes)} faces: choose one, by --face largest, centre or a number"
            )
        faces = [mesh.face(mesh.presence, self._detector.name) for mesh in meshes]
        (chosen,) = choose(self._face, faces, image.size)
        return next(mesh for mesh, face in zip(meshes, faces, strict=True) if face is chosen)

    def _classes(self, picture: Picture, mesh: FaceMesh) -> np.ndarray:
        """Log-probabilities of CLASSES: the mean of the face and its mirror image."""
        middle, side = _square(mesh)
        crop_HWC = picture.square(middle, side, mesh.angle, _CROP_PX)
        both = [self._run(crop_HWC), self._run(crop_HWC[:, ::-1])]
        return np.log(np.maximum(both, np.finfo(np.float32).tiny)).mean(0, dtype=np.float64)

    def _run(self, crop_HWC: np.ndarray) -> np.ndarray:
        image_BCHW = np.ascontiguousarray(crop_HWC.transpose(2, 0, 1)[None], np.float32)
        (probabilities,) = self._expressions.run(["probabilities"], {"image": image_BCHW})
        return np.asarray(probabilities[0])

    def _verdict(self, look: PhotoFace) -> Verdict:
        scores = dict(zip(EXPRESSIONS, map(float, look.scores), strict=True))
        return Verdict(self.identity.id, scores, look.evidence.dominant, (look.transcript,))

    def _unsuited(self, detail: str) -> NoVerdict:
        return NoVerdict(self.identity.id, "unsuited", detail)


def not_judged(expression: str) -> str:
    """Why there is no verdict on an edit that was to show `expression`."""
    return (
        f"it does not judge {expression}: there was no photograph with that label to show it on, only with "
        f"{', '.join(CATEGORIES)}"
    )


def _square(mesh: FaceMesh) -> tuple[tuple[float, float], float]:
    """Middle and side of the square that the network wants to see, upright as the eyes are."""
    cos, sin = np.cos(mesh.angle), np.sin(mesh.angle)
    turned = np.array([[cos, -sin], [sin, cos]])
    points = mesh.points[list(_BOXED), :2] @ turned
    low, high = points.min(0), points.max(0)
    x, y = (low + high) / 2 @ turned.T
    return (float(x), float(y)), _ENLARGED * float((high - low).max())


def _face_words(face: FaceChoice) -> str:
    if face.box is not None:
        return ",".join(f"{side:g}" for side in face.box)
    return face.kind if face.number is None else str(face.number)


def _transcript(mesh: FaceMesh, seen_C: np.ndarray, evidence: Evidence) -> str:
    """What was seen, as JSON."""
    record = {
        "face": [round(value, 1) for value in mesh.box],
        "presence": round(mesh.presence, _NUM_DIGITS),
        "network": {name: round(float(log), 2) for name, log in zip(CLASSES, seen_C, strict=True)},
        "probabilities": {name: round(value, _NUM_DIGITS) for name, value in evidence.probabilities.items()},
    }
    return json.dumps(record)
