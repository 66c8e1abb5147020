"""What a training changes: the weights, their moving average and the optimiser's memory; to disk and back.

The learning rate is a function of the step alone: nothing to save, alike on any number of processes.
"""

import importlib.util
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.errors import DeviceError, InputError, OutputError, install
from pixelsmile.training.checkpoint import State
from pixelsmile.training.config import OptimiserSettings
from pixelsmile.training.distribution import like, whole

_FILES = ("weights", "average", "optimiser")


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that take gradients, by name. InputError where there is none."""
    found = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not found:
        raise InputError("nothing is left to train: the model has no parameter that takes gradients")
    return found


def make_optimiser(
    parameters: Mapping[str, Tensor], settings: OptimiserSettings, device: torch.device
) -> torch.optim.Optimizer:
    """AdamW over `parameters`; `adamw8bit` keeps its moments in 8 bits. DeviceError where that cannot run."""
    check_optimiser(settings, device)
    options: dict[str, Any] = {
        "lr": settings.learning_rate,
        "betas": settings.betas,
        "eps": settings.epsilon,
        "weight_decay": settings.weight_decay,
    }
    tensors = list(parameters.values())
    if settings.kind == "adamw":
        return torch.optim.AdamW(tensors, **options)
    from bitsandbytes.optim import AdamW8bit

    optimiser: torch.optim.Optimizer = AdamW8bit(tensors, **options)
    return optimiser


def check_optimiser(settings: OptimiserSettings, device: torch.device) -> None:
    """DeviceError where it cannot run here."""
    if settings.kind == "adamw":
        return
    if device.type != "cuda":
        raise DeviceError("optimiser.kind 'adamw8bit' needs a GPU: use 'adamw'")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise DeviceError(
            f"optimiser.kind 'adamw8bit' needs bitsandbytes: {install('quantization')}, or use 'adamw'"
        )


def learning_rate(settings: OptimiserSettings, step: int, num_steps: int) -> float:
    """The rate of optimiser step `step` (from 0): a line up to `learning_rate`, then half a cosine towards 0.

    The first step of the warmup already learns, and the last step of all still does. Steps are those of the
    optimiser, whatever is accumulated (PixelSmile, Appendix B: 1e-4 after 500 steps).
    """
    peak, num_warmup_steps = settings.learning_rate, settings.num_warmup_steps
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    progress = (step - num_warmup_steps) / (num_steps - num_warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


class Average:
    """An exponential moving average (EMA) of `parameters`, in their own number format.

    The decay grows from 0.1 to `decay` over the first steps, so that the random start is soon forgotten.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self.values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self._parameters = parameters
        self._decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step` (from 0)."""
        decay = min(self._decay, (step + 1) / (step + 10))
        for name, parameter in self._parameters.items():
            self.values[name].lerp_(parameter.detach(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the parameters hold the average; afterwards their own values, bit for bit."""
        own = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}
        _copy(self.values, self._parameters)
        try:
            yield
        finally:
            _copy(own, self._parameters)


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
        optimiser, numbers = _state_of(self.optimiser, self.parameters, keep)
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
        _restore(self.optimiser, self.parameters, optimiser, state.facts.numbers)


def _check_finite(state: State) -> None:
    for file, tensors in state.tensors.items():
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise InputError(
                    f"the state of step {state.facts.step} is not finite ({file}: {name}): the training "
                    "diverged; remove that checkpoint and go on from one before, at a lower learning rate"
                )


def _state_of(
    optimiser: Any, parameters: Mapping[str, Tensor], keep: bool
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The state as `parameter/name` to tensors (copies on the CPU) and to numbers. See `whole` for `keep`."""
    tensors, numbers = {}, {}
    for name, parameter in parameters.items():
        for key, value in optimiser.state[parameter].items():
            if isinstance(value, Tensor):
                tensors[f"{name}/{key}"] = value
            else:
                numbers[f"{name}/{key}"] = value
    return whole(tensors, keep), numbers


def _restore(
    optimiser: Any,
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, float],
) -> None:
    """Give an optimiser the state that `_state_of` read. OutputError where it is of other parameters."""
    optimiser.state.clear()
    for name, value in {**tensors, **numbers}.items():
        owner, _, key = name.rpartition("/")
        if owner not in parameters:
            raise OutputError(
                f"the checkpoint knows a parameter {owner!r} that is not trained here: start anew"
            )
        parameter = parameters[owner]
        optimiser.state[parameter][key] = _placed(value, parameter)


def _placed(value: Tensor | float, parameter: Tensor) -> Tensor | float:
    """As the optimiser itself keeps it: counts on the CPU, moments as the parameter lies."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return value
    if value.shape == parameter.shape:
        return like(value, parameter)
    return value.to(parameter.device)


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
