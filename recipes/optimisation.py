"""How networks are trained: one resumable loop, with AdamW, and Muon for matrices.

A training is logged, and stopped by a loss that is not a number. Every step draws its randomness from (seed,
step), so a run that was killed continues as if it never was.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pixelsmile.errors import PixelSmileError
from pixelsmile.store.publication import write_file

Losses = dict[str, Tensor]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz step, as published
NUM_NEWTON_SCHULZ_STEPS = 5
RMS = 0.4  # of an update at learning rate 1: twice AdamW's usual one (Liu et al. 2025), so both share a rate


@dataclass(frozen=True)
class Optimisation:
    """How a network is trained: AdamW, warmup, decay to zero, exponential moving average."""

    num_steps: int
    learning_rate: float
    num_warmup_steps: int
    ema_decay: float
    decay_share: float = 1.0  # of the steps, at the end, over which the learning rate falls to zero
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    checkpoint_every: int = 250
    log_every: int = 50


def train(
    network: nn.Module,
    losses_of_step: Callable[[int], Losses],
    plan: Optimisation,
    folder: Path,
    matrices: Sequence[nn.Parameter] = (),
) -> Iterator[dict[str, Any]]:
    """Train `network` until `plan.num_steps`, and leave the moving average of its weights in it.

    losses_of_step: from a step to named scalars; the one called "loss" is minimised. matrices: the weights
    that Muon trains; AdamW trains all others.
    Yields one record every `plan.log_every` steps, the same that goes to `folder/stats.jsonl`: losses are
    means since the record before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimisers = _optimisers(network, matrices, plan)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    first = _resume(folder / "state.safetensors", network, average, optimisers)
    _forget_after(folder / "stats.jsonl", first)
    started, window = time.monotonic(), []
    for step in range(first, plan.num_steps):
        losses = losses_of_step(step)
        if not torch.isfinite(losses["loss"]):
            raise PixelSmileError(f"loss is {losses['loss'].item()} at step {step}: lower the learning rate")
        losses["loss"].backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), plan.max_grad_norm)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, plan)
            optimiser.step()
            optimiser.zero_grad()
        _update_average(average, network, min(plan.ema_decay, (step + 1) / (step + 10)))
        window.append({name: value.item() for name, value in losses.items()} | {"grad_norm": norm.item()})
        done = step + 1
        if done % plan.log_every == 0 or done == plan.num_steps:
            record = {"step": done, **_means(window), "learning_rate": learning_rate(step, plan)}
            record["steps_per_s"] = round((done - first) / (time.monotonic() - started), 3)
            window.clear()
            with open(folder / "stats.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
            yield record
        if done % plan.checkpoint_every == 0 or done == plan.num_steps:
            _save(folder / "state.safetensors", network, average, optimisers, done)
    network.load_state_dict(average)


def _optimisers(
    network: nn.Module, matrices: Sequence[nn.Parameter], plan: Optimisation
) -> list[torch.optim.Optimizer]:
    ours = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in network.parameters() if id(parameter) not in ours]
    adamw = torch.optim.AdamW(
        others, lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.99)
    )
    return [adamw, Muon(matrices, plan.learning_rate)] if matrices else [adamw]


def _means(window: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(values[name] for values in window) / len(window), 6) for name in window[0]}


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the device multiplies it; float32 on processors that would be ten times slower in it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_multiplies_bfloat16(device))


def _multiplies_bfloat16(device: torch.device) -> bool:
    able = torch.cpu.get_capabilities()
    return device.type != "cpu" or bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def learning_rate(step: int, plan: Optimisation) -> float:
    """Linear warmup, constant, then half a cosine to zero over the last `plan.decay_share` of the steps."""
    if step < plan.num_warmup_steps:
        return plan.learning_rate * (step + 1) / plan.num_warmup_steps
    decay_from = max(plan.num_warmup_steps, round(plan.num_steps * (1 - plan.decay_share)))
    progress = (step - decay_from) / max(1, plan.num_steps - decay_from)
    return plan.learning_rate * 0.5 * (1 + math.cos(math.pi * max(0.0, progress)))


@torch.no_grad()
def _update_average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        average[name].lerp_(value, 1 - decay)


def _save(
    path: Path,
    network: nn.Module,
    average: dict[str, Tensor],
    optimisers: list[torch.optim.Optimizer],
    step: int,
) -> None:
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for which, optimiser in enumerate(optimisers):
        for index, state in optimiser.state_dict()["state"].items():
            named = {f"optimiser.{which}.{index}.{name}": value for name, value in state.items()}
            tensors |= {name: torch.as_tensor(value) for name, value in named.items()}
    tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"step": str(step)})
    os.replace(partial, path)


def _resume(
    path: Path, network: nn.Module, average: dict[str, Tensor], optimisers: list[torch.optim.Optimizer]
) -> int:
    """Load what `_save` wrote, and return the step to go on from: 0 where there is nothing."""
    if not path.is_file():
        return 0
    tensors = load_file(path)
    network.load_state_dict(_part(tensors, "network."))
    for name, value in _part(tensors, "average.").items():
        average[name].copy_(value)
    for which, optimiser in enumerate(optimisers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, f"optimiser.{which}.").items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return _step_of(path)


def _step_of(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return int(file.metadata()["step"])


def _forget_after(log: Path, step: int) -> None:
    """Drop the records of steps that will be taken again, and one that a kill cut short."""
    if log.is_file():
        lines = log.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        if kept != lines:
            write_file(log, "".join(kept).encode(), force=True)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


class Muon(torch.optim.Optimizer):
    """For matrices only: Nesterov momentum, made orthogonal before it is applied (Jordan et al. 2024).

    Without weight decay. torch.optim.Muon does the same in bfloat16 everywhere, which processors without it
    take ten times as long for; with it they take a quarter of the time of float32.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One update of every matrix that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._update(matrix, matrix.grad, group)

    def _update(self, matrix: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        update = orthogonalised(gradient.lerp(state["momentum"], group["momentum"]))
        matrix.add_(update, alpha=-group["lr"] * RMS * max(matrix.shape) ** 0.5)


def orthogonalised(matrix: Tensor) -> Tensor:
    """The matrix (R x C) with all its singular values brought near 1, in bfloat16 where the device has it."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    if _multiplies_bfloat16(matrix.device):
        wide = wide.bfloat16()
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(NUM_NEWTON_SCHULZ_STEPS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return (wide.T if tall else wide).to(matrix.dtype)
