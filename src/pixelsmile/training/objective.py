"""The training objective (PixelSmile, Eq. 6 to 12), batched: after one forward of 2 B samples, one decode.

    L      = 1/2 (L_FM^a + L_FM^b) + lambda_SC L_SC + lambda_ID L_ID                              (Eq. 9)
    L_FM   = | v(x_t, t, e_cond(alpha)) - (e - x) |^2       with x_t = (1 - sigma) x + sigma e    (Eq. 6)
    L_SC   = 1/2 [T(G_a, P_a, P_b) + T(G_b, P_b, P_a)]                                            (Eq. 7)
    L_ID   = 1/2 sum over i in {a, b} of w(sigma) [1 - cos(Phi(G_i), Phi(P_i))]                   (Eq. 8)

    hinge      T(G, P, N) = max(0, d(G, P) - d(G, N) + margin)                                   (Eq. 10)
    log-ratio  T(G, P, N) = log((d(G, P) + epsilon) / (d(G, N) + epsilon))                       (Eq. 11)
    InfoNCE    T(G, P, N) = -log(exp(s(G, P) / tau) / (exp(s(G, P) / tau) + exp(s(G, N) / tau))) (Eq. 12)

G is generated, P the truth of its own expression and N that of the confusing one, of the same person; s is
the cosine of their features and d = 1 - s. Gradients reach G alone. Every term is a mean over triplets, so
equal parts of a batch, as on several processes, average to the whole.

A triplet with an instruction has one branch: L_FM and L_ID are those of a alone, and there is no L_SC.

Doubts
- Eq. 6: the paper's text takes x0 for the source and x1 for the edited target; what works, and what the
  reference does, has noise e and target latent x, with the source as reference tokens. Its squared norm is a
  sum; here, as in the reference, it is the mean over tokens and channels: otherwise the weights of Eq. 9
  would change with the size of the picture.
- G in training: the paper does not say. As in the reference it is the picture that the predicted velocity
  leads to in one step, at every noise level, cut to its range: what a picture loses when it is saved, no term
  may use. A pixel beyond the range has a gradient from the flow alone.
- Eq. 7: the asymmetric variant of Table 3 is described in words ("only one branch"). Here it is
  T(G_a, P_a, P_b) at full weight, as in the reference: halved, it would also test a weaker weight.
- Log-ratio goes down to log(epsilon / (2 + epsilon)) = -14.5, so a total may be negative, and close to P its
  slope (by the angle) rises to 1 / sqrt(2 epsilon) = 707: clip gradients.
- InfoNCE sees two candidates alone, P and N; the others of the batch are no negatives.
- Where P and N are alike (low strengths), InfoNCE stays at log 2 and the hinge at its margin, with next to
  no gradient: the paper weights no pair by how far its truths are apart, and neither is it done here.
- Eq. 8 has no w. The reference counts identity at timesteps up to 600 of 1000 (1 - 1e-5 of it, and 1e-5
  beyond), and reads the first timestep of the batch for all; here it is 1 or 0, and each sample has its own.
  The mean is over all samples, also those that do not count: what one adds does not depend on the others.
- Faces are aligned by the landmarks of the truth: a detector need not see a picture that is predicted from
  noise, and the expression alone, not the place of the face, may move the corners of the mouth.

Shape suffixes: B triplets, R rows (B of branch a, then B of branch b if there is one), N tokens, D channels
of a token, F numbers of a feature, E numbers of an embedding, C = 3 channels (RGB), H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pixelsmile.editing.flow import add_noise, velocity_target
from pixelsmile.errors import InputError
from pixelsmile.faces.alignment import align_batch, seen_box
from pixelsmile.faces.encoders.encoder import IdentityEncoder
from pixelsmile.faces.face import Box
from pixelsmile.features.encoder import ImageEncoder
from pixelsmile.training.batch import TrainingBatch
from pixelsmile.training.config import ContrastiveSettings, ObjectiveSettings

TOTAL, FLOW, CONTRASTIVE, IDENTITY = "total", "flow", "contrastive", "identity"


@dataclass(frozen=True)
class Objective:
    """Eq. 9 with the frozen networks that its terms need; a term of weight 0 needs none.

    decode: from clean tokens (some rows, N, D) to pictures (these rows, 3, H, W), with a gradient; -1..1,
    and what overshoots is cut here. It is told the box around the faces that are compared, if any are.
    InputError where a term is on and its networks are not there, or give no
    gradient.
    """

    settings: ObjectiveSettings
    decode: Callable[[Tensor, Box | None], Tensor] | None = None
    image_encoder: ImageEncoder | None = None
    identity_encoder: IdentityEncoder | None = None

    def __post_init__(self) -> None:
        if self.settings.contrastive.weight and (self.image_encoder is None or self.decode is None):
            raise InputError(
                "the contrastive term needs a decoder and an image encoder: give both or weight 0"
            )
        if not self.settings.identity.weight:
            return
        if self.identity_encoder is None or self.decode is None:
            raise InputError(
                "the identity term needs a decoder and an identity encoder: give both or weight 0"
            )
        if not self.identity_encoder.differentiable:
            name = self.identity_encoder.name
            raise InputError(f"no gradient passes through {name}: load it with differentiable=True")

    def losses(
        self, batch: TrainingBatch, velocities_RND: Tensor, noise_BND: Tensor, sigmas_B: Tensor
    ) -> dict[str, Tensor]:
        """Scalars by name: `total`, which has the gradient, then each term that is on, without its weight.

        velocities_RND: predicted for the targets of the batch. Both branches of a triplet share noise and
        noise level (0..1). `flow` is always there: it costs nothing. InputError for what does not fit.
        """
        self._check(batch, velocities_RND, noise_BND, sigmas_B)
        settings = self.settings
        num_branches = batch.num_branches
        noise_RND, sigmas_R = noise_BND.repeat(num_branches, 1, 1), sigmas_B.repeat(num_branches)
        flow = flow_matching(velocities_RND, batch.targets, noise_RND).mean()
        parts, total = {FLOW: flow}, settings.flow_weight * flow
        clean_RND = predicted_latents(velocities_RND, batch.targets, noise_RND, sigmas_R)
        pictures_RCHW = None
        if settings.contrastive.weight:
            compared_R = self._compared(batch, sigmas_R) if settings.identity.weight else None
            pictures_RCHW = self._pictures(clean_RND, batch, compared_R)
            parts[CONTRASTIVE] = self._contrastive(batch, pictures_RCHW)
            total = total + settings.contrastive.weight * parts[CONTRASTIVE]
        if settings.identity.weight:
            parts[IDENTITY] = self._identity(batch, sigmas_R, clean_RND, pictures_RCHW)
            total = total + settings.identity.weight * parts[IDENTITY]
        return {TOTAL: total, **{name: part.detach() for name, part in parts.items()}}

    def _pictures(self, clean: Tensor, batch: TrainingBatch, compared_R: Tensor | None) -> Tensor:
        """Decoded and cut to -1..1. compared_R: the rows of the batch whose faces are compared."""
        assert self.decode is not None
        faces = None
        if compared_R is not None and compared_R.any():
            assert batch.landmarks is not None
            assert self.identity_encoder is not None
            landmarks = batch.landmarks[compared_R.to(batch.landmarks.device)].cpu().numpy()
            faces = seen_box(landmarks, self.identity_encoder.size_px)
        return _widened(self.decode(clean, faces)).clamp(-1, 1)

    def _compared(self, batch: TrainingBatch, sigmas_R: Tensor) -> Tensor:
        """The rows that count in the identity term, (R,), bool."""
        assert batch.landmarks is not None
        faces_R = has_face(batch.landmarks).to(sigmas_R.device)
        return counting(sigmas_R, self.settings.identity.max_sigma).bool() & faces_R

    def _contrastive(self, batch: TrainingBatch, pictures_RCHW: Tensor) -> Tensor:
        assert self.image_encoder is not None
        assert batch.features is not None
        features_RF = self.image_encoder.features(pictures_RCHW)
        truths_RF = batch.features.to(features_RF)
        return symmetric_contrastive(features_RF, truths_RF, self.settings.contrastive).mean()

    def _identity(
        self, batch: TrainingBatch, sigmas_R: Tensor, clean_RND: Tensor, pictures_RCHW: Tensor | None
    ) -> Tensor:
        """Rows that do not count are neither embedded nor, where nothing else needs them, decoded."""
        assert self.identity_encoder is not None
        assert batch.landmarks is not None
        assert batch.identities is not None
        compared_R = self._compared(batch, sigmas_R)
        weights_R = compared_R.float()
        distances_R = torch.zeros_like(weights_R)
        (rows,) = compared_R.nonzero(as_tuple=True)
        if len(rows):
            if pictures_RCHW is None:
                pictures = self._pictures(clean_RND[rows], batch, compared_R)
            else:
                pictures = pictures_RCHW[rows]
            landmarks = batch.landmarks[rows.to(batch.landmarks.device)]
            distances = identity_distances(pictures, landmarks, batch.identities[rows], self.identity_encoder)
            distances_R = distances_R.to(distances).index_copy(0, rows, distances)
        return identity_loss(distances_R, weights_R.to(distances_R), batch.num_branches).mean()

    def _check(self, batch: TrainingBatch, velocities: Tensor, noise: Tensor, sigmas: Tensor) -> None:
        """InputError for what is missing, or is not branches of one noise each."""
        rows, num_rows = batch.targets.shape, len(batch.targets)
        if velocities.shape != rows:
            found = tuple(velocities.shape)
            raise InputError(f"velocities {found} for latents {tuple(rows)}: give one for each target token")
        wanted = (num_rows / batch.num_branches, *rows[1:])
        if num_rows == 0 or noise.shape != wanted or sigmas.shape != noise.shape[:1]:
            raise InputError(
                f"noise {tuple(noise.shape)} at levels {tuple(sigmas.shape)} for latents {tuple(rows)}: give "
                "one of each for a triplet, which its branches share"
            )
        contrastive, identity = self.settings.contrastive.weight, self.settings.identity.weight
        if contrastive and batch.num_branches != 2:
            raise InputError(
                "the contrastive term compares two targets, and there is one: set its weight to 0"
            )
        for name, weight in (("features", contrastive), ("identities", identity), ("landmarks", identity)):
            given = getattr(batch, name)
            if weight and (given is None or len(given) != num_rows):
                seen = "not there" if given is None else f"{len(given)} rows"
                raise InputError(f"{name} is {seen}: give one for each of the {num_rows} targets")


def flow_matching(velocities_BND: Tensor, latents_BND: Tensor, noise_BND: Tensor) -> Tensor:
    """Eq. 6: the squared error of predicted velocities, mean over tokens and channels: (B,).

    latents_BND: clean targets. noise_BND: what was added to them.
    """
    target_BND = velocity_target(_widened(latents_BND), _widened(noise_BND))
    return (_widened(velocities_BND) - target_BND).square().mean((1, 2))


def predicted_latents(
    velocities_BND: Tensor, latents_BND: Tensor, noise_BND: Tensor, sigmas_B: Tensor
) -> Tensor:
    """The clean latents (B, N, D) that velocities predict from x_t: x_t - sigma v, one Euler step to 0.

    With the true velocity these are `latents_BND`; the error grows with sigma.
    """
    sigmas_B = _widened(sigmas_B)
    noisy_BND = add_noise(_widened(latents_BND), _widened(noise_BND), sigmas_B)
    return noisy_BND - sigmas_B[:, None, None] * _widened(velocities_BND)


def symmetric_contrastive(generated_RD: Tensor, truth_RD: Tensor, settings: ContrastiveSettings) -> Tensor:
    """L_SC (Eq. 7) of each triplet, (B,); without `settings.symmetric` that of branch a alone.

    generated_RD, truth_RD: features of both branches. Truths get no gradient.
    InputError where the rows are not two branches of one shape.
    """
    if generated_RD.shape != truth_RD.shape or len(truth_RD) % 2:
        raise InputError(
            f"generated features {tuple(generated_RD.shape)} and truths {tuple(truth_RD.shape)}: give both "
            "branches of each, a first, then b"
        )
    generated_a, generated_b = generated_RD.chunk(2)
    truth_a, truth_b = truth_RD.detach().chunk(2)
    values_B = triplet_loss(generated_a, truth_a, truth_b, settings)
    if settings.symmetric:
        values_B = (values_B + triplet_loss(generated_b, truth_b, truth_a, settings)) / 2
    return values_B


def triplet_loss(
    generated_BD: Tensor, positive_BD: Tensor, negative_BD: Tensor, settings: ContrastiveSettings
) -> Tensor:
    """T(G, P, N) of each sample (B,) in the form that `settings` names, Eq. 10 to 12."""
    near_B = cosine_distance(generated_BD, positive_BD)
    far_B = cosine_distance(generated_BD, negative_BD)
    match settings.form:
        case "infonce":  # s = 1 - d, and the 1 cancels
            logits_B2 = -torch.stack([near_B, far_B], dim=1) / settings.temperature
            return -torch.log_softmax(logits_B2, dim=1)[:, 0]
        case "hinge":
            return (near_B - far_B + settings.margin).clamp(min=0)
        case "log_ratio":
            return torch.log((near_B + settings.epsilon) / (far_B + settings.epsilon))


def identity_distances(
    pictures_RCHW: Tensor, landmarks_R52: Tensor, embeddings_RE: Tensor, encoder: IdentityEncoder
) -> Tensor:
    """1 - cos between generated faces and the embeddings of their truths: (R,), 0..2.

    pictures_RCHW: generated, -1..1. landmarks_R52: of the truths, (x, y) in pixels of these pictures.
    embeddings_RE: of the truths, by the same encoder; they get no gradient.
    """
    unit_RCHW = _widened(pictures_RCHW) / 2 + 0.5  # so that what lies outside of a picture is black
    crops_RCHW = align_batch(unit_RCHW, landmarks_R52.detach().cpu().numpy(), encoder.size_px)
    found_RE: Tensor = encoder.embed(crops_RCHW)
    return cosine_distance(found_RE, embeddings_RE.detach().to(found_RE))


def counting(sigmas_B: Tensor, max_sigma: float) -> Tensor:
    """The weights w of Eq. 8: 1 for a noise level up to `max_sigma`, 0 above; (B,), float32.

    max_sigma: 0.6 is timestep 600 of 1000; 1 counts all.
    """
    return (sigmas_B <= max_sigma).float()


def identity_loss(distances_R: Tensor, weights_R: Tensor, num_branches: int = 2) -> Tensor:
    """L_ID (Eq. 8) of each triplet, (B,). A row with weight 0 adds nothing and counts in the mean.

    InputError where there are not so many branches, or not a weight each.
    """
    if distances_R.shape != weights_R.shape or len(distances_R) % num_branches:
        raise InputError(
            f"{tuple(distances_R.shape)} distances and {tuple(weights_R.shape)} weights: give both branches "
            "of each, a first, then b"
        )
    return (distances_R * weights_R).view(num_branches, -1).mean(0)


def has_face(landmarks_R52: Tensor) -> Tensor:
    """Whether each row has a face to compare: all its landmarks are numbers. (R,), bool."""
    return torch.isfinite(landmarks_R52).all(-1).all(-1)


def cosine_distance(a_BD: Tensor, b_BD: Tensor) -> Tensor:
    """1 - cos(a, b), (B,), 0..2, for vectors of any length but 0.

    Computed as |a - b|^2 / 2 of the unit vectors, which is the same number: in float32, 1 - cos of near
    vectors is rounded to steps of 6e-8 and may fall below 0. A vector of length 0 gives NaN, which stops a
    training. InputError where the shapes differ.
    """
    if a_BD.shape != b_BD.shape or a_BD.ndim != 2:
        raise InputError(
            f"features {tuple(a_BD.shape)} against {tuple(b_BD.shape)}: give (samples, numbers) of each"
        )
    return (_unit(a_BD) - _unit(b_BD)).square().sum(1) / 2


def _unit(vectors_BD: Tensor) -> Tensor:
    vectors_BD = _widened(vectors_BD)
    return vectors_BD / vectors_BD.norm(dim=1, keepdim=True)


def _widened(tensor: Tensor) -> Tensor:
    """The tensor in float32 where it has less: errors are squared and divided by small numbers here."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
