"""AttributeControl: a learned direction an expression, added to tokens of the prompt.

Baumann et al., Continuous, Subject-Specific Attribute Control in T2I Models by Identifying Semantic
Directions, CVPR 2025. Equations (its optimised variant):

    e'_i = e_i + s d   for the tokens i that are moved
    | v(x_t, e + s d) - [v(x_t, e) + s (v(x_t, e+) - v(x_t, e-))] |^2   over scales s of either sign

Here e = e- is the neutral prompt, and e+ the expression's; the base alone is the teacher, so no strength of a
drawn face is ever seen. The paper moves the subject's token ("person"; `tokens=subject`). Where the text
encoder is causal that token knows nothing of the expression, which comes behind it, and the embedded base
hardly looks at it: its recipe moves the instruction, from the first token in which the prompts differ.
Directions are in units of a token's own
size (root mean square), for the transformer brings all tokens to one size: a learning rate then means the
same on any base. Strength 0 is the base's edit to neutral.

Shape suffixes: R rows, K expressions, T tokens of a prompt, D channels of an embedding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.editing.conditioning import Aim, Term, num_shared
from pixelsmile.editing.controls.aims import columns_of, method_of
from pixelsmile.editing.controls.files import ControlRecord
from pixelsmile.editing.controls.settings import AttributeControlSettings


class AttributeControl(nn.Module):
    """A Control. It changes embeddings alone, so there is nothing to steer."""

    shares_neutral = True

    def __init__(self, record: ControlRecord, settings: AttributeControlSettings, transformer: Any) -> None:
        super().__init__()
        self.record, self.settings = record, settings
        width = transformer.config["joint_attention_dim"]
        self.directions = nn.Parameter(torch.zeros(len(record.expressions), width))

    def form(self, wanted: str, aim: Aim) -> str:
        columns_of(self.record, aim)
        return method_of(self.record, wanted, aim)

    def terms(self, form: str, aim: Aim, weights: Sequence[float]) -> list[Term]:
        embedding_1TD = aim.neutral.embedding[None]
        lengths_1 = torch.tensor([embedding_1TD.shape[1]], device=embedding_1TD.device)
        instruction_1 = lengths_1 - min(num_shared(aim.neutral, target) for target in aim.targets)
        scales_1K = torch.zeros(1, len(self.record.expressions), device=embedding_1TD.device)
        scales_1K[0, columns_of(self.record, aim)] = scales_1K.new_tensor(weights)
        return [Term(1.0, self.shifted(embedding_1TD, lengths_1, instruction_1, scales_1K)[0])]

    def shifted(
        self, embeddings_RTD: Tensor, lengths_R: Tensor, instruction_R: Tensor, scales_RK: Tensor
    ) -> Tensor:
        """Neutral prompts, so many tokens long, with the directions at these scales on what is moved.

        instruction: how many tokens of each carry it, up to its end.
        """
        at_subject = self.settings.tokens == "subject"
        first, end = self.record.subject if at_subject else (instruction_R[:, None], 0)
        from_end_RT = lengths_R[:, None] - torch.arange(embeddings_RTD.shape[1], device=lengths_R.device)
        is_moved_RT1 = ((from_end_RT <= first) & (from_end_RT > end))[..., None]
        wide_RTD = embeddings_RTD.float()
        size_RT1 = wide_RTD.square().mean(-1, keepdim=True).sqrt()
        moved_RTD = wide_RTD + size_RT1 * (scales_RK.to(self.directions) @ self.directions)[:, None]
        return torch.where(is_moved_RT1, moved_RTD, wide_RTD).to(embeddings_RTD.dtype)

    def steer(self, steers_R: Tensor | None) -> None:
        assert steers_R is None
