"""How good a detector is: on identities that it was never trained on, against drawn truth.

    python -m recipes.faces.detector.quality --detector runs/faces/detector/finished

One portrait alone at 256 px: overlap of the boxes, landmark errors in % of the eye distance, overlap of the
masks. Scenes of 512 px with up to 24 people: average precision, recall by size. Scenes without a face: what
is found all the same. And bad input, one picture of each kind.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain
from pixelsmile.faces.detectors.drawn import DrawnDetector
from pixelsmile.faces.face import Face
from pixelsmile.portraits import action_units, draw_portrait, sample_identity
from recipes.faces.detector.backgrounds import KINDS
from recipes.faces.detector.bad_input import bad_input
from recipes.faces.detector.damage import damaged
from recipes.faces.detector.plan import Plan
from recipes.faces.detector.pool import Drawing, Pool, planned_drawings, pool_of
from recipes.faces.detector.scenes import sample_scene
from recipes.faces.detector.scoring import (
    Detections,
    box_overlap,
    landmark_errors,
    mask_overlap,
)
from recipes.faces.detector.targets import must_be_found

PORTRAIT_PX, SCENE_PX, EMPTY_PX = 256, 512, 320
_MOST_PEOPLE = 24
_SURE, _UNSURE = 0.5, 0.2  # the threshold; less sure faces down to the other count in average precision
_SCENE, _EMPTY = 1, 2  # streams of random numbers, apart from those of the drawings


class MaskingDetector(Protocol):
    """What is measured."""

    def detect(self, image: Image.Image) -> list[Face]: ...

    def mask(self, image: Image.Image, face: Face) -> np.ndarray: ...


@dataclass
class Singles:
    """Adds up portraits of one person, alone in the picture. Faces not found count in the boxes, as 0."""

    boxes: list[float] = field(default_factory=list)
    errors: list[np.ndarray] = field(default_factory=list)
    masks: list[float] = field(default_factory=list)
    extra_faces: int = 0

    def add(self, detector: MaskingDetector, drawing: Drawing) -> None:
        """Measure one portrait; the surest face is taken for the one that was drawn."""
        units = action_units(drawing.expression, drawing.strength, drawing.variant)
        portrait = draw_portrait(sample_identity(drawing.identity_seed), units, drawing.domain, PORTRAIT_PX)
        faces = detector.detect(portrait.image)
        self.extra_faces += max(0, len(faces) - 1)
        self.boxes.append(box_overlap(faces[0], portrait.truth.face_box) if faces else 0.0)
        if faces:
            assert faces[0].landmarks_5 is not None
            self.errors.append(landmark_errors(faces[0].landmarks_5, portrait.truth.landmarks_5))
            self.masks.append(mask_overlap(detector.mask(portrait.image, faces[0]), portrait.truth.face_mask))

    def summary(self) -> dict[str, Any]:
        """Landmark errors are of all five landmarks of the portraits where a face was found."""
        boxes = np.asarray(self.boxes)
        errors = np.concatenate(self.errors) if self.errors else np.zeros(0)
        return {
            "portraits": len(boxes),
            "not_found": len(boxes) - len(self.errors),
            "extra_faces": self.extra_faces,
            "box_iou": _rounded(boxes.mean()) if boxes.size else None,
            "box_iou_over_0.5": _rounded((boxes > 0.5).mean()) if boxes.size else None,
            "box_iou_over_0.75": _rounded((boxes > 0.75).mean()) if boxes.size else None,
            "landmark_error_percent": _rounded(errors.mean()) if errors.size else None,
            "landmark_error_percent_p95": _rounded(np.percentile(errors, 95)) if errors.size else None,
            "mask_iou": _rounded(np.mean(self.masks)) if self.masks else None,
        }


def measure(
    sure: MaskingDetector, unsure: MaskingDetector, num_identities: int, num_scenes: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """The report so far, after each of its parts. unsure: the same detector with a low threshold."""
    plan = Plan()
    drawings = planned_drawings(num_identities, plan.pool.first_test_seed, seed)
    report: dict[str, Any] = {"num_identities": num_identities}
    report["portraits"] = [
        {"style": domain, "expressions": kind, **_singles(sure, drawings, domain, kind).summary()}
        for domain in DOMAINS
        for kind in ("neutral", "expressive")
    ]
    yield report
    pool = pool_of(drawings[: 4 * max(1, min(num_identities, 50))], plan.pool.size)
    report["scenes"] = {
        name: _scenes(unsure, plan, pool, num_scenes, (seed, _SCENE), damage).summary(_SURE)
        for name, damage in (("clean", False), ("damaged", True))
    }
    yield report
    report["without_a_face"] = _faceless(sure, pool, num_scenes, (seed, _EMPTY))
    yield report
    report["bad_input"] = bad_input(sure, pool)
    yield report


def _singles(detector: MaskingDetector, drawings: Sequence[Drawing], domain: Domain, kind: str) -> Singles:
    singles = Singles()
    for drawing in drawings:
        if drawing.domain == domain and (drawing.expression == NEUTRAL) == (kind == "neutral"):
            singles.add(detector, drawing)
    return singles


def _scenes(
    detector: MaskingDetector, plan: Plan, pool: Pool, num: int, stream: tuple[int, int], damage: bool
) -> Detections:
    crowd = replace(
        plan.scene, size=SCENE_PX, empty_share=0.0, single_share=0.0, zoomed_share=0.0,
        max_num_faces=_MOST_PEOPLE, crowd_px=(12, 200),
    )  # fmt: skip
    total = Detections()
    for index in range(num):
        scene = sample_scene(pool, crowd, np.random.default_rng((*stream, index)), damage)
        wanted = [must_be_found(face, (SCENE_PX, SCENE_PX), plan.truth) for face in scene.faces]
        pairs = list(zip(scene.faces, wanted, strict=True))
        required = [face for face, must in pairs if must]
        optional = [face for face, must in pairs if must is None]
        total.add(detector.detect(Image.fromarray(scene.pixels)), required, optional)
    return total


def _faceless(detector: MaskingDetector, pool: Pool, num: int, stream: tuple[int, int]) -> dict[str, Any]:
    """False faces a picture, for each kind of background; half of them damaged."""
    by_kind: dict[str, float] = {}
    for kind, (name, draw) in enumerate(KINDS.items()):
        num_found = 0
        for index in range(num):
            rng = np.random.default_rng((*stream, kind, index))
            pixels_HW3 = draw(pool, (EMPTY_PX, EMPTY_PX), rng)
            pixels_HW3 = damaged(pixels_HW3, rng) if index % 2 else pixels_HW3
            num_found += len(detector.detect(Image.fromarray(pixels_HW3)))
        by_kind[name] = _rounded(num_found / max(1, num))
    return {
        "pictures": num * len(KINDS),
        "false_faces_per_picture": _rounded(np.mean(list(by_kind.values()))),
        "by_kind": by_kind,
    }


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)


def main() -> None:
    """Measure and write the report; prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", type=Path, required=True, help="the folder of a finished recipe")
    parser.add_argument("--identities", type=int, default=100, help="in each style")
    parser.add_argument("--scenes", type=int, default=60, help="of each kind")
    parser.add_argument("--out", type=Path, default=None, help="default: quality.json beside the weights")
    arguments = parser.parse_args()
    started = time.monotonic()
    sure = DrawnDetector.from_folder(arguments.detector, threshold=_SURE)
    unsure = DrawnDetector.from_folder(arguments.detector, threshold=_UNSURE)
    target = arguments.out or arguments.detector / "quality.json"
    for report in measure(sure, unsure, arguments.identities, arguments.scenes):
        target.write_text(json.dumps(report, indent=2) + "\n")
        print(f"{', '.join(report)}: {time.monotonic() - started:.0f} s", flush=True)
    print(target.read_text(), end="")


if __name__ == "__main__":
    main()
