"""The moving average of the weights that are trained: what is edited with in the end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


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
