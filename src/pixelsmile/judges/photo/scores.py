"""From what two networks see of a face to the scores of six expressions, and which of seven it shows.

One is the network of seven classes, which looks at pixels; its log-probabilities are taken as they are. The
other is a linear discriminant on the blendshapes of the mesh, fitted (`recipes/photo/judge.py`) on portraits
whose action units were moved to the project's prototypes, never on labelled photographs. Their
log-probabilities add up, the second ones times a trust that was found on people who were held out.

A score is how far the face has gone from rest to the full expression: the mean of both ways, each on a scale
of its own, shared out among expressions as the evidence is. Shape suffixes: C classes, B blendshapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pixelsmile.embedded import photo_path
from pixelsmile.errors import ModelError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.faces.mesh.mesh import BLENDSHAPES
from pixelsmile.hashing import sha256_json
from pixelsmile.limits import read_json_object, validated

CATEGORIES = ("happy", "sad", "angry", "fear", "disgust", "surprised")
CLASSES = (NEUTRAL, *CATEGORIES)  # in the order of the network's outputs
FILE = "judge.json"
SHARING = 4.0  # an expression with so much less evidence than the first one (nats) keeps 1/e of its score
_LEAST = 1e-4  # of a blendshape: below, it is noise
_SIDES = "Left", "Right"
_ASIDE = ("jaw", "mouth", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp")  # where to, not what


def _shapes() -> dict[str, tuple[str, ...]]:
    """The blendshapes of a movement, both sides of it, by its name; those of gaze and turns are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for name in BLENDSHAPES[1:]:  # the first stands for a face at rest
        movement = name.removesuffix(_SIDES[0]).removesuffix(_SIDES[1])
        if movement not in _ASIDE:
            found[movement] = (*found.get(movement, ()), name)
    return found


_PARTS = _shapes()
SHAPES = tuple(_PARTS)


@dataclass(frozen=True)
class Evidence:
    """scores: of CATEGORIES, 0..1. dominant: one of CLASSES. probabilities: of CLASSES, both networks'."""

    scores: Mapping[str, float]
    dominant: str
    probabilities: Mapping[str, float]


class Way(BaseModel):
    """From a face at rest to the full expression: its log-odds against neutral at strengths that are evenly
    spread from 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    log_odds: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rises(self) -> "Way":
        if any(nearer >= farther for nearer, farther in pairwise(self.log_odds)):
            raise ValueError(f"{self.log_odds}: log-odds rise with the strength")
        return self

    def gone(self, log_odds: float) -> float:
        """The strength, 0 to 1."""
        return float(np.interp(log_odds, self.log_odds, np.linspace(0, 1, len(self.log_odds))))


class Fitted(BaseModel):
    """What the recipe fits. shapes: the blendshapes that count, both sides as one.

    weights: of each class (CLASSES), one a shape; trust: in the discriminant, 1 for as much as in the
    network; network, shape: the ways of CATEGORIES. fitted_on: where all that is from, for people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    shapes: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] = Field(min_length=len(CLASSES), max_length=len(CLASSES))
    intercepts: tuple[float, ...] = Field(min_length=len(CLASSES), max_length=len(CLASSES))
    trust: float = Field(gt=0, le=1)
    network: dict[str, Way]
    shape: dict[str, Way]
    fitted_on: str

    @model_validator(mode="after")
    def _belongs_together(self) -> "Fitted":
        if self.shapes != SHAPES or any(len(row) != len(SHAPES) for row in self.weights):
            raise ValueError("a weight a shape, in the order of the mesh's blendshapes")
        if any(set(ways) != set(CATEGORIES) for ways in (self.network, self.shape)):
            raise ValueError(f"a way for each of {', '.join(CATEGORIES)}")
        return self

    @cached_property
    def sha256(self) -> str:
        return sha256_json(self.model_dump(mode="json"))


@cache
def load_fitted() -> Fitted:
    """What ships. ModelError where it is absent or damaged."""
    file = photo_path() / FILE

    def damaged(reason: str) -> ModelError:
        return ModelError(
            f"{FILE} of the networks for photographs is damaged ({reason}): install pixelsmile again"
        )

    return validated(Fitted, read_json_object(file, error=damaged), "it", error=damaged)


def shape_features(blendshapes: Mapping[str, float]) -> np.ndarray:
    """The log-odds of SHAPES (B,)."""
    shown_B = np.array([np.mean([blendshapes[name] for name in _PARTS[shape]]) for shape in SHAPES])
    shown_B = shown_B.clip(_LEAST, 1 - _LEAST)
    return np.asarray(np.log(shown_B / (1 - shown_B)))


def weigh(network_C: np.ndarray, blendshapes: Mapping[str, float], fitted: Fitted) -> Evidence:
    """network_C: log-probabilities of CLASSES. blendshapes: 0..1, by name."""
    shape_C = fitted.intercepts + np.array(fitted.weights) @ shape_features(blendshapes)
    both_C = network_C + fitted.trust * shape_C
    probabilities_C = np.exp(both_C - both_C.max())
    probabilities_C /= probabilities_C.sum()
    seen_C = _gone(network_C, fitted.network)
    gone_C = (seen_C + _gone(shape_C, fitted.shape)) / 2
    first = int(both_C[1:].argmax())
    shares_C = np.exp((both_C[1:] - both_C[1:].max()) / SHARING)
    scores_C = np.minimum(gone_C, gone_C[first]) * shares_C  # so the first one also has the highest score
    return Evidence(
        dict(zip(CATEGORIES, scores_C.tolist(), strict=True)),
        CLASSES[int(both_C.argmax())],
        dict(zip(CLASSES, probabilities_C.tolist(), strict=True)),
    )


def _gone(log_C: np.ndarray, ways: Mapping[str, Way]) -> np.ndarray:
    """How far the face has gone on the way to each of CATEGORIES, by what is left over of `neutral`."""
    odds_C = log_C[1:] - log_C[0]
    return np.array([ways[name].gone(value) for name, value in zip(CATEGORIES, odds_C, strict=True)])
