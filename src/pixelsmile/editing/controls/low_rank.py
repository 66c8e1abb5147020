"""Low-rank changes of layers that each row, and each token of it, may have more or less of.

    y = W x + (lora_alpha / rank) B diag(g) A x

A stacks the first factors of several changes, B the second ones; the gates g say how much of each change a
row has. Rows of other strengths and expressions thus go through the transformer together.

Shape suffixes: R rows, N tokens of a layer's input, K changes, D numbers of a token.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.errors import ModelError

IMAGE_ATTENTION = ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0")
TEXT_ATTENTION = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out")
IMAGE_MLP = ("img_mlp.net.0.proj", "img_mlp.net.2")
TEXT_MLP = ("txt_mlp.net.0.proj", "txt_mlp.net.2")


class LowRank(nn.Module):
    """`num_changes` changes of these layers in every block; `gates` decide, and None is none of them.

    gates: (R, 1 or N, K). At first all changes are zero: the first factors are normal with deviation 1 /
    rank, the second zero. ModelError where the transformer lacks the layers.
    """

    def __init__(
        self,
        transformer: Any,
        layers: Sequence[str],
        num_changes: int,
        rank: int,
        lora_alpha: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.rank, self.scaling = rank, lora_alpha / rank
        self.gates: Tensor | None = None
        self.A, self.B = nn.ParameterDict(), nn.ParameterDict()
        generator = torch.Generator().manual_seed(seed)
        for index in range(len(transformer.transformer_blocks)):
            for layer in layers:
                name = f"transformer_blocks.{index}.{layer}"
                module = linear_layer(transformer, name)
                key = name.replace(".", "/")  # no parameter may have a dot in its name
                first = torch.randn(num_changes * rank, module.in_features, generator=generator) / rank
                self.A[key] = nn.Parameter(first)
                self.B[key] = nn.Parameter(torch.zeros(module.out_features, num_changes * rank))
                module.register_forward_hook(partial(self._changed, key))

    def _changed(self, key: str, module: nn.Module, inputs: tuple[Tensor], output_RND: Tensor) -> Tensor:
        if self.gates is None:
            return output_RND
        A, B = self.A[key], self.B[key]
        gates = self.gates.to(A).repeat_interleave(self.rank, -1)
        change_RND = (inputs[0].to(A.dtype) @ A.T * gates) @ B.T
        return output_RND + self.scaling * change_RND.to(output_RND.dtype)


def linear_layer(transformer: Any, name: str) -> Any:
    """The layer of that name. ModelError where there is none."""
    try:
        return transformer.get_submodule(name)
    except AttributeError:
        raise ModelError(f"the model has no layer {name}: use a Qwen-Image-Edit model") from None
