"""The identity loss (PixelSmile, Eq. 8) on aligned crops, each sample weighted by its own noise level.

    L_ID = 1/2 sum over i in {a, b} of w(sigma) [1 - cos(Phi(G_i), Phi(P_i))]

Both crops are aligned by the landmarks of the ground truth: a detector need not see a picture that is
predicted from noise, and the expression alone, not the place of the face, may move the corners of the mouth.

Doubts. The paper has no w. The reference counts identity at timesteps up to 600 of 1000 (1 - 1e-5 of it, and
1e-5 beyond), and reads the first timestep of the batch for all; here it is 1 or 0, and each sample has its
own. The mean is over all samples, also those that do not count: what one adds does not depend on which others
are in the batch.

Shape suffixes: B samples, R = 2 B rows (all of branch a, then all of branch b), C = 3 channels (RGB), H and W
height and width in pixels, E numbers of an embedding.
"""

import torch
from torch import Tensor

from pixelsmile.errors import InputError
from pixelsmile.faces.alignment import align_batch
from pixelsmile.faces.encoders.encoder import IdentityEncoder
from pixelsmile.training.losses.cosines import cosine_distance
from pixelsmile.training.losses.values import Reduction, reduced, widened


def identity_distances(
    pictures_RCHW: Tensor, landmarks_R52: Tensor, embeddings_RE: Tensor, encoder: IdentityEncoder
) -> Tensor:
    """1 - cos between generated faces and the embeddings of their truths: (R,), 0..2.

    pictures_RCHW: generated, -1..1. landmarks_R52: of the truths, (x, y) in pixels of these pictures.
    embeddings_RE: of the truths, by the same encoder; they get no gradient.
    """
    unit_RCHW = widened(pictures_RCHW) / 2 + 0.5  # so that what lies outside of a picture is black
    crops_RCHW = align_batch(unit_RCHW, landmarks_R52.detach().cpu().numpy(), encoder.size_px)
    found_RE: Tensor = encoder.embed(crops_RCHW)
    return cosine_distance(found_RE, embeddings_RE.detach().to(found_RE))


def counting(sigmas_B: Tensor, max_sigma: float) -> Tensor:
    """The weights w: 1 for a noise level up to `max_sigma`, 0 above; (B,), float32.

    max_sigma: 0.6 is timestep 600 of 1000; 1 counts all.
    """
    return (sigmas_B <= max_sigma).float()


def identity_loss(distances_R: Tensor, weights_R: Tensor, reduction: Reduction = "none") -> Tensor:
    """L_ID of each triplet, (B,), or reduced. A row with weight 0 adds nothing and counts in the mean.

    InputError where there are not two branches, or not a weight each.
    """
    if distances_R.shape != weights_R.shape or len(distances_R) % 2:
        raise InputError(
            f"{tuple(distances_R.shape)} distances and {tuple(weights_R.shape)} weights: give both branches "
            "of each, a first, then b"
        )
    a_B, b_B = (distances_R * weights_R).chunk(2)
    return reduced((a_B + b_B) / 2, reduction)


def has_face(landmarks_R52: Tensor) -> Tensor:
    """Whether each row has a face to compare: all its landmarks are numbers. (R,), bool."""
    return torch.isfinite(landmarks_R52).all(-1).all(-1)
