"""What a training changes: the parameters, their average and the optimiser's memory; to disk and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.errors import InputError
from pixelsmile.training.checkpoint import State
from pixelsmile.training.distribution import like, whole
from pixelsmile.training.optimiser import Average, restore, state_of

_FILES = ("weights", "average", "optimiser")


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
        return dict(zip(_FILES, (weights, average, optimiser), strict=True)), numbers

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Take over what `tensors` gave.

        InputError, before anything is changed, where it is of others, and where a number is not finite.
        """
        _check_finite(state)
        weights, average, optimiser = (state.tensors.get(file, {}) for file in _FILES)
        shapes = {name: parameter.shape for name, parameter in self.parameters.items()}
        for found in (weights, average):
            if shapes != {name: tensor.shape for name, tensor in found.items()}:
                raise InputError(
                    f"the checkpoint of step {state.facts.step} has other parameters than are trained here: "
                    "take it away, or start another run with -o"
                )
        for name, parameter in self.parameters.items():
            parameter.copy_(like(weights[name], parameter))
            self.average.values[name].copy_(like(average[name], parameter))
        restore(self.optimiser, self.parameters, optimiser, state.facts.numbers)


def _check_finite(state: State) -> None:
    for file, tensors in state.tensors.items():
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise InputError(
                    f"the state of step {state.facts.step} is not finite ({file}: {name}): the training "
                    "diverged; remove that checkpoint and go on from one before, at a lower learning rate"
                )


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take gradients, by name. InputError where there is none."""
    found = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not found:
        raise InputError("nothing is left to train: the model has no parameter that takes gradients")
    return found
