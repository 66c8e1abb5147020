"""One training step, forward: from cached triplets to the losses (PixelSmile, section 4).

Both branches of a triplet share noise and time. They go through the transformer as one batch, with the source
as reference, each under its own prompt at the strength that its ground truth has.

Shape suffixes: B triplets, R = 2 B rows (all of branch a, then all of branch b), N tokens of a picture, D
channels of a token, T tokens of a prompt, E channels of its embedding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.flow import PATCH, FlowSchedule, add_noise
from pixelsmile.errors import ExpressionError
from pixelsmile.training.batch import TrainingBatch
from pixelsmile.training.losses.objective import Objective, ObjectiveInputs
from pixelsmile.training.order import Draw

BatchOf = Callable[[Sequence[int]], TrainingBatch]


class TrainingStep(nn.Module):
    """What is trained: called with draws, it gives the losses of their triplets, `total` with a gradient.

    transformer: frozen, with an adapter on it. batch_of: the triplets of these numbers, from the cache.
    schedule: which noise levels are trained at; uniform ones by default, as in the reference. precision: of
    the transformer's arithmetic; bfloat16 runs it under autocast.
    """

    def __init__(
        self,
        transformer: nn.Module,
        objective: Objective,
        batch_of: BatchOf,
        schedule: FlowSchedule | None = None,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.objective, self.batch_of = objective, batch_of
        self.schedule, self.precision = schedule or FlowSchedule(), precision

    def forward(self, draws: Sequence[Draw]) -> dict[str, Tensor]:
        """See `loop.Losses`."""
        indices, seeds = zip(*draws, strict=True)
        return self.losses(self.batch_of(indices), seeds)

    def losses(self, batch: TrainingBatch, seeds: Sequence[int]) -> dict[str, Tensor]:
        """The losses of a batch; all that is random about a triplet comes from its seed.

        ExpressionError where prompts do not fit each other, InputError where a term lacks what it needs.
        """
        batch = batch.to(next(self.transformer.parameters()).device)
        uniform_B, noise_BND = draw_noise(seeds, batch.targets.shape[1:], batch.targets.device)
        sigmas_B = self.schedule.shifted(uniform_B)
        velocities_RND = self._velocities(batch, noise_BND, sigmas_B)
        encoder = self.objective.identity_encoder
        return self.objective.losses(
            ObjectiveInputs(
                velocities=velocities_RND,
                latents=batch.targets,
                noise=noise_BND,
                sigmas=sigmas_B,
                truth_features=batch.features,
                truth_embeddings=None if encoder is None else batch.identities.get(encoder.name),
                landmarks=batch.landmarks,
            )
        )

    def _velocities(self, batch: TrainingBatch, noise_BND: Tensor, sigmas_B: Tensor) -> Tensor:
        """What the transformer predicts for the targets (R, N, D), in one forward."""
        sigmas_R = sigmas_B.repeat(2)
        noisy_RND = add_noise(batch.targets, noise_BND.repeat(2, 1, 1), sigmas_R)
        embeddings_RTE, mask_RT = condition_batch(batch)
        height, width = batch.grid
        shape = (1, height // PATCH, width // PATCH)
        num_rows, num_tokens, _ = noisy_RND.shape
        dtype = self.precision
        with torch.autocast(noisy_RND.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            predicted: Any = self.transformer(
                hidden_states=torch.cat([noisy_RND, batch.source], dim=1).to(dtype),
                timestep=self.schedule.timestep(sigmas_R, dtype),
                encoder_hidden_states=embeddings_RTE.to(dtype),
                encoder_hidden_states_mask=mask_RT,
                img_shapes=[[shape, shape]] * num_rows,
                return_dict=False,
            )
        return predicted[0][:, :num_tokens].float()


def draw_noise(seeds: Sequence[int], shape_ND: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """For each seed a number in 0..1 (B) and standard normal noise (B, N, D).

    Drawn on the CPU, one generator a seed: the same at any batch size and on any device.
    """
    uniform, noise = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        uniform.append(torch.rand((), generator=generator))
        noise.append(torch.randn(*shape_ND, generator=generator))
    return torch.stack(uniform).to(device), torch.stack(noise).to(device)


def condition_batch(batch: TrainingBatch) -> tuple[Tensor, Tensor | None]:
    """e_neu + alpha (e_tgt - e_neu) of each row (Eq. 5), (R, T, E), and the mask of its tokens.

    The form `all` of `editing/conditioning.py`, a batch at a time. No mask where all prompts have one length.
    ExpressionError where the two prompts of a row have not.
    """
    if not torch.equal(batch.neutral_mask, batch.prompts_mask):
        neutral_R, prompts_R = batch.neutral_mask.sum(1).tolist(), batch.prompts_mask.sum(1).tolist()
        unlike = next(pair for pair in zip(neutral_R, prompts_R, strict=True) if pair[0] != pair[1])
        raise ExpressionError(
            f"a neutral prompt of {unlike[0]} tokens and a target prompt of {unlike[1]}: training "
            "interpolates between prompts of one length, so word them alike"
        )
    strengths_R11 = batch.strengths[:, None, None]
    mixed_RTE = (1 - strengths_R11) * batch.neutral.float() + strengths_R11 * batch.prompts.float()
    mask_RT = batch.prompts_mask
    return mixed_RTE.to(batch.neutral.dtype), None if bool(mask_RT.all()) else mask_RT
