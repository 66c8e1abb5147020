"""The whole training objective (PixelSmile, Eq. 9), batched: after one forward of 2 B samples, one decode.

    L = 1/2 (L_FM^a + L_FM^b) + lambda_SC L_SC + lambda_ID L_ID

Every part is a mean over triplets, so equal parts of a batch, as on several processes, average to the whole.

Doubt. The paper does not say what G is during training. As in the reference it is the picture that the
predicted velocity leads to in one step, at every noise level, cut to its range: what a picture loses when
it is saved, no term may use. A pixel beyond the range has a gradient from the flow alone.

Shape suffixes: B triplets, R = 2 B rows (all of branch a, then all of branch b), N tokens, D channels of a
token, F numbers of a feature, E numbers of an embedding, C = 3 channels (RGB), H and W pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pixelsmile.errors import InputError
from pixelsmile.faces.encoders.encoder import IdentityEncoder
from pixelsmile.features.encoder import ImageEncoder
from pixelsmile.training.losses.contrastive import ContrastiveSettings, symmetric_contrastive
from pixelsmile.training.losses.flow import flow_matching, predicted_latents
from pixelsmile.training.losses.identity import counting, has_face, identity_distances, identity_loss
from pixelsmile.training.losses.values import widened

TOTAL, FLOW, CONTRASTIVE, IDENTITY = "total", "flow", "contrastive", "identity"


@dataclass(frozen=True)
class ObjectiveSettings:
    """The weights of the terms and their settings, with the paper's numbers (Appendix B).

    A weight of 0 switches its term off: then its networks are not needed and not run. The identity term
    counts up to the noise level `identity_max_sigma` (0.6: timestep 600 of 1000, as in the reference).
    InputError for a weight below 0, for no weight above it, or a noise level out of 0..1.
    """

    flow_weight: float = 1.0
    contrastive_weight: float = 1.0
    identity_weight: float = 0.1
    contrastive: ContrastiveSettings = field(default_factory=ContrastiveSettings)
    identity_max_sigma: float = 0.6

    def __post_init__(self) -> None:
        weights = {
            "flow": self.flow_weight,
            "contrastive": self.contrastive_weight,
            "identity": self.identity_weight,
        }
        for name, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise InputError(f"the {name} weight must be a number from 0 on, not {weight!r}")
        if not any(weights.values()):
            raise InputError("all weights of the objective are 0: give one term a weight")
        if not 0 <= self.identity_max_sigma <= 1:
            raise InputError(f"identity_max_sigma must lie in 0..1, not {self.identity_max_sigma!r}")


@dataclass(frozen=True)
class ObjectiveInputs:
    """What one step knows. What a term that is off would need may be None."""

    velocities: Tensor  # RND: what the transformer predicts for the target tokens
    latents: Tensor  # RND: clean targets, packed and normalised
    noise: Tensor  # BND: shared by both branches
    sigmas: Tensor  # B: noise levels in 0..1, shared by both branches
    truth_features: Tensor | None = None  # RF: of the targets' pictures, by the same image encoder
    truth_embeddings: Tensor | None = None  # RE: of the targets' faces, by the same identity encoder
    landmarks: Tensor | None = None  # R52: of the targets, (x, y) in pixels of the decoded; NaN for no face


@dataclass(frozen=True)
class Objective:
    """The objective with the frozen networks that its terms need.

    decode: from clean tokens (some rows, N, D) to pictures (these rows, 3, H, W), with a gradient; -1..1,
    and what overshoots is cut here.
    """

    settings: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    decode: Callable[[Tensor], Tensor] | None = None
    image_encoder: ImageEncoder | None = None
    identity_encoder: IdentityEncoder | None = None

    def __post_init__(self) -> None:
        """InputError where a term is on and its networks are not there, or give no gradient."""
        if self.settings.contrastive_weight and (self.image_encoder is None or self.decode is None):
            raise InputError(
                "the contrastive term needs a decoder and an image encoder: give both or weight 0"
            )
        if not self.settings.identity_weight:
            return
        if self.identity_encoder is None or self.decode is None:
            raise InputError(
                "the identity term needs a decoder and an identity encoder: give both or weight 0"
            )
        if not self.identity_encoder.differentiable:
            name = self.identity_encoder.name
            raise InputError(f"no gradient passes through {name}: load it with differentiable=True")

    def losses(self, inputs: ObjectiveInputs) -> dict[str, Tensor]:
        """Scalars by name: `total`, which has the gradient, then each term that is on, without its weight.

        `flow` is always there: it costs nothing. InputError for inputs that are missing or do not fit.
        """
        settings = self.settings
        _check(inputs, settings)
        noise_RND, sigmas_R = inputs.noise.repeat(2, 1, 1), inputs.sigmas.repeat(2)
        flow = flow_matching(inputs.velocities, inputs.latents, noise_RND, "mean")
        parts, total = {FLOW: flow}, settings.flow_weight * flow
        clean_RND = predicted_latents(inputs.velocities, inputs.latents, noise_RND, sigmas_R)
        pictures_RCHW = None
        if settings.contrastive_weight:
            pictures_RCHW = self._pictures(clean_RND)
            parts[CONTRASTIVE] = self._contrastive(inputs, pictures_RCHW)
            total = total + settings.contrastive_weight * parts[CONTRASTIVE]
        if settings.identity_weight:
            parts[IDENTITY] = self._identity(inputs, sigmas_R, clean_RND, pictures_RCHW)
            total = total + settings.identity_weight * parts[IDENTITY]
        return {TOTAL: total, **{name: part.detach() for name, part in parts.items()}}

    def _pictures(self, clean: Tensor) -> Tensor:
        """Decoded and cut to -1..1."""
        assert self.decode is not None
        return widened(self.decode(clean)).clamp(-1, 1)

    def _contrastive(self, inputs: ObjectiveInputs, pictures_RCHW: Tensor) -> Tensor:
        assert self.image_encoder is not None
        assert inputs.truth_features is not None
        features_RF = self.image_encoder.features(pictures_RCHW)
        truths_RF = inputs.truth_features.to(features_RF)
        return symmetric_contrastive(features_RF, truths_RF, self.settings.contrastive, "mean")

    def _identity(
        self, inputs: ObjectiveInputs, sigmas_R: Tensor, clean_RND: Tensor, pictures_RCHW: Tensor | None
    ) -> Tensor:
        """Rows that do not count are neither embedded nor, where nothing else needs them, decoded."""
        assert self.identity_encoder is not None
        assert inputs.landmarks is not None
        assert inputs.truth_embeddings is not None
        faces_R = has_face(inputs.landmarks).to(sigmas_R.device)
        weights_R = counting(sigmas_R, self.settings.identity_max_sigma) * faces_R
        distances_R = torch.zeros_like(weights_R)
        (rows,) = weights_R.nonzero(as_tuple=True)
        if len(rows):
            pictures = self._pictures(clean_RND[rows]) if pictures_RCHW is None else pictures_RCHW[rows]
            landmarks = inputs.landmarks[rows.to(inputs.landmarks.device)]
            embeddings = inputs.truth_embeddings[rows]
            distances = identity_distances(pictures, landmarks, embeddings, self.identity_encoder)
            distances_R = distances_R.to(distances).index_copy(0, rows, distances)
        return identity_loss(distances_R, weights_R.to(distances_R), "mean")


def _check(inputs: ObjectiveInputs, settings: ObjectiveSettings) -> None:
    """InputError for what is missing, or is not two branches of one noise each."""
    rows, num_rows = inputs.latents.shape, len(inputs.latents)
    if inputs.velocities.shape != rows:
        found = tuple(inputs.velocities.shape)
        raise InputError(f"velocities {found} for latents {tuple(rows)}: give one for each target token")
    if num_rows == 0 or inputs.noise.shape != (num_rows / 2, *rows[1:]):
        raise InputError(
            f"noise {tuple(inputs.noise.shape)} for latents {tuple(rows)}: give one for each "
            "triplet, which its two branches share"
        )
    if inputs.sigmas.shape != inputs.noise.shape[:1]:
        raise InputError(f"{tuple(inputs.sigmas.shape)} noise levels for {num_rows // 2} triplets: one each")
    needed = {
        "truth_features": settings.contrastive_weight > 0,
        "truth_embeddings": settings.identity_weight > 0,
        "landmarks": settings.identity_weight > 0,
    }
    for name, is_needed in needed.items():
        given = getattr(inputs, name)
        if is_needed and (given is None or len(given) != num_rows):
            seen = "not there" if given is None else f"{len(given)} rows"
            raise InputError(f"{name} is {seen}: give one for each of the {num_rows} targets")
