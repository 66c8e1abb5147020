"""ConceptSlider: a low-rank adapter an expression, whose scale is the strength.

Gandikota et al., Concept Sliders: LoRA Adaptors for Precise Control in Diffusion Models, ECCV 2024.
Equations:

    W' = W + s B A                                                                  (scale s at inference)
    prompts:  v*(x_t, c_t) = v(x_t, c_t) + eta (v(x_t, c+) - v(x_t, c-))             (Eq. 7, one concept)
    pictures: | v_s(x_t, c) - (e - x) |^2, x the picture at the end s of the slider   (section 4.2)

Here every forward sees the source picture as reference and the neutral prompt, c_t = c- is that prompt and c+
the expression's. The slider's ends are 0, which is the base as it is and needs no training, and 1. So
strength 0 is the base's edit to neutral, and no strength between 0 and 1 is ever seen in training.

Shape suffixes: R rows, K expressions.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.conditioning import Aim, Term
from pixelsmile.editing.controls.aims import columns_of, method_of
from pixelsmile.editing.controls.files import ControlRecord
from pixelsmile.editing.controls.low_rank import IMAGE_ATTENTION, TEXT_ATTENTION, LowRank
from pixelsmile.editing.controls.settings import ConceptSliderSettings


class ConceptSlider(nn.Module):
    """A Control. Its steers are the scales of all expressions, (R, K)."""

    shares_neutral = True

    def __init__(
        self, record: ControlRecord, settings: ConceptSliderSettings, transformer: Any, seed: int
    ) -> None:
        super().__init__()
        self.record, self.settings = record, settings
        layers = (*IMAGE_ATTENTION, *TEXT_ATTENTION)
        num_sliders = len(record.expressions)
        self.sliders = LowRank(transformer, layers, num_sliders, settings.rank, settings.lora_alpha, seed)

    def form(self, wanted: str, aim: Aim) -> str:
        columns_of(self.record, aim)
        return method_of(self.record, wanted, aim)

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        scales_K = torch.zeros(len(self.record.expressions))
        scales_K[columns_of(self.record, aim)] = torch.tensor(weights, dtype=torch.float32)
        return [Term(1.0, aim.neutral.embedding, scales_K.to(aim.neutral.embedding.device))]

    def steer(self, steers_R: Tensor | None) -> None:
        self.sliders.gates = None if steers_R is None else steers_R[:, None]
