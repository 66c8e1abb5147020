"""The optimiser of the adapter, and its state as named tensors."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pixelsmile.errors import DeviceError, OutputError
from pixelsmile.training.config import OptimiserSettings
from pixelsmile.training.distribution import like, whole


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
            "optimiser.kind 'adamw8bit' needs bitsandbytes: "
            "pip install -c constraints.txt -e \".[quantization]\", or use 'adamw'"
        )


def state_of(
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


def restore(
    optimiser: Any,
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, float],
) -> None:
    """Give an optimiser the state that `state_of` read. OutputError where it is of other parameters."""
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


# The moving average of the weights that are trained: what is edited with in the end.


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


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
