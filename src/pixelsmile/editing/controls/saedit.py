"""SAEdit: a sparse autoencoder of the prompts' tokens, and a direction an expression among its latents.

Kamenetsky et al., SAEdit: Token-level control for continuous image editing via Sparse AutoEncoder, 2025.
Equations:

    a = TopK(ReLU(W_enc (e - b_dec))),   e ~ W_dec a + b_dec
    L = mean over nested groups of latents of | e - W_dec a_group - b_dec |^2 + aux      (unsupervised)
    g: of max over tokens of a(target), the latents with the highest ratio to those of the source prompt
    e'_i = W_dec (a_i + s g) + b_dec   for the tokens i that are edited

Here the source prompt is the neutral one. The tokens that are edited are the instruction's, from the first in
which the prompts differ: the subject's token, which the paper edits, comes before them, and the causal text
encoder leaves nothing of the expression there. g is the leading
singular direction of many pairs of prompts (each with another picture in view), as long as its mean
projection, so that strength 1 is as much of the expression as its own prompt has. What the autoencoder loses
of a token is put back, so strength 0 is the base's edit to neutral; tokens are brought to one size before
they are encoded, as the transformer does. Left out: the schedule of s over the sampling steps, which keeps
the layout of pictures made from text (here the source picture does), a threshold in place of the k largest
latents (which would be state beside the weights), and dead latents are those that no token of a batch uses.

Shape suffixes: M tokens, T tokens of a prompt, D channels of a token, F latents, K expressions, P pairs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.conditioning import Aim, Term, num_shared
from pixelsmile.editing.controls.aims import columns_of, method_of
from pixelsmile.editing.controls.files import ControlRecord
from pixelsmile.editing.controls.settings import SAEditSettings

_AUX_WEIGHT = 1 / 32
_EPSILON = 1e-6


class SAEdit(nn.Module):
    """A Control. It changes embeddings alone, so there is nothing to steer.

    directions: (K, F), no parameters: `directions_of` finds them once the autoencoder is trained.
    """

    shares_neutral = True

    def __init__(self, record: ControlRecord, settings: SAEditSettings, transformer: Any, seed: int) -> None:
        super().__init__()
        self.record, self.settings = record, settings
        width, num_latents = transformer.config["joint_attention_dim"], settings.num_latents
        generator = torch.Generator().manual_seed(seed)
        start_FD = nn.functional.normalize(torch.randn(num_latents, width, generator=generator), dim=-1)
        self.encoder = nn.Parameter(start_FD.T.clone())
        self.encoder_bias = nn.Parameter(torch.zeros(num_latents))
        self.decoder = nn.Parameter(start_FD.clone())
        self.decoder_bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("directions", torch.zeros(len(record.expressions), num_latents))

    def form(self, wanted: str, aim: Aim) -> str:
        columns_of(self.record, aim)
        return method_of(self.record, wanted, aim)

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        first = min(num_shared(aim.neutral, target) for target in aim.targets)
        directions: Tensor = self.directions[columns_of(self.record, aim)]
        moved_F = torch.tensor(weights, device=directions.device) @ directions
        edited = aim.neutral.embedding.clone()
        edited[first:] = self.edited(edited[first:], moved_F).to(edited.dtype)
        return [Term(1.0, edited)]

    def steer(self, steers_R: Tensor | None) -> None:
        assert steers_R is None

    def edited(self, tokens_TD: Tensor, moved_F: Tensor) -> Tensor:
        """Tokens whose latents are moved so far; with what the autoencoder loses of them put back."""
        unit_TD, size_T1 = at_one_size(tokens_TD)
        latents_TF = self.latents(unit_TD)
        lost_TD = unit_TD - self.decoded(latents_TF)
        return (self.decoded(latents_TF + moved_F) + lost_TD) * size_T1

    def latents(self, unit_MD: Tensor) -> Tensor:
        """The `num_active` largest of each token, the others 0; of tokens at one size."""
        return _largest(self._activations(unit_MD), self.settings.num_active)

    def decoded(self, latents_MF: Tensor) -> Tensor:
        """Tokens at one size."""
        return latents_MF @ self.decoder + self.decoder_bias

    def loss(self, tokens_MD: Tensor) -> Tensor:
        """Of the autoencoder, a scalar: the mean over its groups, and how unused latents do on the rest."""
        unit_MD, _ = at_one_size(tokens_MD)
        activations_MF = self._activations(unit_MD)
        latents_MF = _largest(activations_MF, self.settings.num_active)
        ends = [self.settings.num_latents >> shift for shift in range(self.settings.num_groups)]
        errors = [
            (latents_MF[:, :end] @ self.decoder[:end] + self.decoder_bias - unit_MD).square().mean()
            for end in ends
            if end
        ]
        unused_F = ~(latents_MF > 0).any(0)
        spare_MF = _largest(activations_MF * unused_F, self.settings.num_active)
        rest_MD = (unit_MD - self.decoded(latents_MF)).detach()
        aux = (spare_MF @ self.decoder - rest_MD).square().mean()
        return torch.stack(errors).mean() + _AUX_WEIGHT * aux

    def directions_of(self, source_PTD: Tensor, target_PTD: Tensor) -> Tensor:
        """The direction (F) from source to target prompts, over P pairs of them."""
        pooled = [self.latents(at_one_size(prompts)[0]).amax(1) for prompts in (source_PTD, target_PTD)]
        source_PF, target_PF = pooled
        ratio_PF = target_PF / (source_PF + _EPSILON)
        num_kept = max(1, round(self.settings.kept_share * target_PF.shape[1]))
        own_PF = torch.zeros_like(target_PF).scatter(1, ratio_PF.topk(num_kept).indices, 1.0) * target_PF
        leading_F = torch.linalg.svd(own_PF, full_matrices=False).Vh[0]
        return leading_F * (own_PF @ leading_F).mean()  # which also settles its sign

    def _activations(self, unit_MD: Tensor) -> Tensor:
        return torch.relu((unit_MD - self.decoder_bias) @ self.encoder + self.encoder_bias)


def at_one_size(tokens_MD: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens with a root mean square of 1, float32, and the one that they had, (M, 1)."""
    wide_MD = tokens_MD.float()
    size_M1 = wide_MD.square().mean(-1, keepdim=True).sqrt().clamp_min(_EPSILON)
    return wide_MD / size_M1, size_M1


def _largest(values_MF: Tensor, count: int) -> Tensor:
    kept = values_MF.topk(min(count, values_MF.shape[-1]), dim=-1)
    return torch.zeros_like(values_MF).scatter(-1, kept.indices, kept.values)
