"""SliderEdit: one low-rank adapter on the tokens of an instruction, which learns to suppress it.

Zarei et al., SliderEdit: Continuous Image Editing with Fine-Grained Instruction Control, 2025. Equations:

    y_i = W y_i + a m_i B A y_i     in the text stream; m_i is 1 on the tokens of the instruction (STLoRA)
    | v_a=1(x_t, P) - v(x_t, P without the instruction) |^2        (partial prompt suppression)

a = 1 suppresses, a = 0 is the base, a < 0 exaggerates: here a = 1 - s, so strength 1 is the base's own edit.
An edit has one instruction, and without it there is the neutral prompt (in the paper: "keep the image the
same"). The tokens of the instruction are those from the first that differs from the neutral prompt: before
it the causal text encoder has not read what is asked for. One adapter serves all instructions; the base
alone is the teacher, so no strength of a drawn face is ever seen. Strength 0 is what was learnt to be
neutral, a little different for each expression.

Shape suffixes: R rows, T tokens of a prompt.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.conditioning import Aim, Term, num_shared
from pixelsmile.editing.controls.aims import method_of, require_single
from pixelsmile.editing.controls.files import ControlRecord
from pixelsmile.editing.controls.low_rank import TEXT_ATTENTION, TEXT_MLP, LowRank
from pixelsmile.editing.controls.settings import SliderEditSettings


class SliderEdit(nn.Module):
    """A Control. Its steers are a m_i of every token, (R, T)."""

    shares_neutral = False

    def __init__(
        self, record: ControlRecord, settings: SliderEditSettings, transformer: Any, seed: int
    ) -> None:
        super().__init__()
        self.record = record
        layers = (*TEXT_ATTENTION, *TEXT_MLP)
        self.suppressor = LowRank(transformer, layers, 1, settings.rank, settings.lora_alpha, seed)

    def form(self, wanted: str, aim: Aim) -> str:
        require_single(self.record, aim)
        return method_of(self.record, wanted, aim)

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        (prompt,), (strength,) = aim.targets, weights
        steer_T = torch.zeros(len(prompt.embedding), device=prompt.embedding.device)
        steer_T[num_shared(aim.neutral, prompt) :] = 1 - strength
        return [Term(1.0, prompt.embedding, steer_T)]

    def steer(self, steers_R: Tensor | None) -> None:
        self.suppressor.gates = None if steers_R is None else steers_R[..., None]
