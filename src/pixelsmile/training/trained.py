"""What a training changes: the parameters, their average and the optimiser's memory; to disk and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.errors import InputError
from pixelsmile.training.average import Average
from pixelsmile.training.checkpoint import State
from pixelsmile.training.distribution import like, whole
from pixelsmile.training.optimiser import restore, state_of


@dataclass(frozen=True)
class Trained:
    """Parameters by name, as they lie on this process, with all that follows them."""

    parameters: Mapping[str, nn.Parameter]
    average: Average
    optimiser: Any

    def tensors(self, keep: bool) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, float]]:
        """All of it as whole tensors on the CPU, by file, and the optimiser's numbers.

        All processes must call. Only those that `keep` them get any.
        """
        optimiser, numbers = state_of(self.optimiser, self.parameters, keep)
        weights, average = whole(self.parameters, keep), whole(self.average.values, keep)
        return {"weights": weights, "average": average, "optimiser": optimiser}, numbers

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Take over what `tensors` gave."""
        for name, parameter in self.parameters.items():
            parameter.copy_(like(state.tensors["weights"][name], parameter))
            self.average.values[name].copy_(like(state.tensors["average"][name], parameter))
        restore(self.optimiser, self.parameters, state.tensors["optimiser"], state.facts.numbers)


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take gradients, by name. InputError where there is none."""
    found = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not found:
        raise InputError("nothing is left to train: the model has no parameter that takes gradients")
    return found
