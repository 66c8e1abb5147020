"""K-Slider (Kontinuous Kontext): strength and instruction become offsets of the text stream's modulation.

Parihar et al., Kontinuous Kontext: Continuous Strength Control for Instruction-based Image Editing, 2025.
Equations:

    [d_shift, d_scale] = MLP([W [sin(pi s), cos(pi s)], pooled(e)])
    z' = z (1 + scale + d_scale) + shift + d_shift      at the text stream's MLP, the same in every block

and a low-rank adapter on the transformer, trained with the projector on quadruplets of source, instruction,
strength and target: strengths in between are seen. Here pooled(e) is the mean of the tokens in which the
instruction differs from the neutral one (this base has no pooled embedding), the last layer of the MLP begins
at zero, and the neutral face stands in the place of the source at strength 0. Strengths are from 0 to 1: the
code of a strength beyond 1 is one that nobody trained. Strength 0 is what was learnt for it, a little
different for each expression.

Shape suffixes: R rows, T tokens of a prompt, E channels of an embedding, H width of the transformer.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.conditioning import Aim, Term, num_shared
from pixelsmile.editing.controls.aims import method_of, require_single
from pixelsmile.editing.controls.files import ControlRecord
from pixelsmile.editing.controls.low_rank import (
    IMAGE_ATTENTION,
    IMAGE_MLP,
    TEXT_ATTENTION,
    TEXT_MLP,
    LowRank,
    linear_layer,
)
from pixelsmile.editing.controls.settings import KSliderSettings
from pixelsmile.errors import StrengthError

_LAYERS = (*IMAGE_ATTENTION, *TEXT_ATTENTION, *IMAGE_MLP, *TEXT_MLP)


class KSlider(nn.Module):
    """A Control. Its steers are the offsets of shift and scale, (R, 2 H)."""

    shares_neutral = False

    def __init__(self, record: ControlRecord, settings: KSliderSettings, transformer: Any, seed: int) -> None:
        super().__init__()
        self.record = record
        self.adapter = LowRank(transformer, _LAYERS, 1, settings.rank, settings.lora_alpha, seed)
        self.width = transformer.inner_dim
        pooled = transformer.config["joint_attention_dim"]
        with torch.random.fork_rng(devices=[]):  # layers draw from the global generator
            torch.manual_seed(seed)
            self.strength = nn.Linear(2, pooled)
            self.projector = _projector(2 * pooled, 2 * self.width, settings.num_layers)
        self._offsets: Tensor | None = None
        for index in range(len(transformer.transformer_blocks)):
            modulation = linear_layer(transformer, f"transformer_blocks.{index}.txt_mod")
            modulation.register_forward_hook(self._modulated)

    def form(self, wanted: str, aim: Aim) -> str:
        require_single(self.record, aim)
        return method_of(self.record, wanted, aim)

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        (prompt,), (strength,) = aim.targets, weights
        if strength > 1:
            raise StrengthError(f"k-slider knows strengths from 0 to 1, not {strength:g}: lower it")
        tail_TE = prompt.embedding[num_shared(aim.neutral, prompt) :]
        pooled_1E = (tail_TE if len(tail_TE) else prompt.embedding).float().mean(0, keepdim=True)
        strength_1 = torch.tensor([strength], device=pooled_1E.device)
        return [Term(1.0, prompt.embedding, self.offsets(strength_1, pooled_1E)[0])]

    def offsets(self, strengths_R: Tensor, pooled_RE: Tensor) -> Tensor:
        """Of shift and scale, (R, 2 H), for strengths 0..1 of instructions."""
        angles_R = math.pi * strengths_R
        code_R2 = torch.stack([angles_R.sin(), angles_R.cos()], dim=-1)
        offsets: Tensor = self.projector(torch.cat([self.strength(code_R2), pooled_RE], dim=-1))
        return offsets

    def steer(self, steers_R: Tensor | None) -> None:
        self._offsets = steers_R
        self.adapter.gates = None if steers_R is None else steers_R.new_ones(len(steers_R), 1, 1)

    def _modulated(self, module: nn.Module, inputs: tuple[Tensor], output_RM: Tensor) -> Tensor:
        """The modulation (shift, scale and gate of the attention, then of the MLP) with the offsets on it."""
        if self._offsets is None:
            return output_RM
        offsets = self._offsets.to(output_RM.dtype)
        return output_RM + nn.functional.pad(offsets, (3 * self.width, self.width))


def _projector(num_in: int, num_out: int, num_layers: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(num_layers - 1):
        layers += [nn.Linear(num_in, num_out), nn.ReLU()]
        num_in = num_out
    last = nn.Linear(num_in, num_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
