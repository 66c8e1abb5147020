"""The training loop, on Accelerate: any module that gives named losses for some triplets, trained to the end.

Everything that a step does follows from the configuration and the step: its triplets, their noise, the
learning rate, the state of every random generator. A run that was killed therefore ends as if it never was.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pixelsmile.errors import OutputError, PixelSmileError
from pixelsmile.hashing import sha256_bytes, sha256_file
from pixelsmile.store.json_lines import LineWriter
from pixelsmile.store.publication import write_file
from pixelsmile.training.checkpoint import Checkpoints, Facts, State
from pixelsmile.training.config import TrainingConfig, config_hash
from pixelsmile.training.distribution import agree, gathered, is_spread, mean_over_processes, on_main, whole
from pixelsmile.training.optimiser import Average, Trained, learning_rate, make_optimiser, trainable
from pixelsmile.training.order import Layout, Order, derived_seed
from pixelsmile.training.run_folder import RunFolder, product_name
from pixelsmile.training.statistics import (
    StatRecord,
    ValidationRecord,
    mean_losses,
    peak_memory_gb,
    reopened,
    rounded,
    tracking,
)

TOTAL = "total"
_GRADIENT = "gradient norm"
_NUM_SEEDS = 2**32  # numpy takes no larger ones


@dataclass(frozen=True)
class Job:
    """What is trained, on what.

    module: called with draws, it gives scalars by name, means over their triplets: `total` is minimised, the
    others are reported. All that is random about a triplet comes from its seed, so that it does not depend on
    what else is in the batch. The parameters that require gradients are trained. data: hash of all that is
    frozen and decides the losses, the triplets among it. export: the bytes of the file that comes of it, the
    adapter's or the control's, from the trained tensors by name. validate: of the averaged weights, after so
    many steps; called on the main process, or on all where the weights are spread over them. beside: more
    files that come of it, by name. networks: which frozen ones were used, for the manifest.
    """

    module: nn.Module
    num_triplets: int
    data: str
    export: Callable[[Mapping[str, Tensor]], bytes]
    validate: Callable[[int], ValidationRecord] | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)
    networks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    """The state after `step` steps is on disk."""

    step: int
    path: Path


Event = StatRecord | ValidationRecord | Saved


class Trainer:
    """One training in one folder. `run` does the work and yields what happened.

    InputError and DeviceError on construction where the configuration fits the triplets or the machine not.
    """

    def __init__(self, job: Job, config: TrainingConfig, folder: RunFolder, accelerator: Any) -> None:
        self._job, self._config, self._folder, self._accelerator = job, config, folder, accelerator
        run = config.run
        self.layout = Layout(
            run.batch_size, run.accumulation, accelerator.num_processes, accelerator.process_index
        )
        self.num_steps = config.num_steps(job.num_triplets, accelerator.num_processes)
        self._order = Order(job.num_triplets, config.run.seed)
        optimiser = make_optimiser(trainable(job.module), config.optimiser, accelerator.device)
        self._module, optimiser = accelerator.prepare(job.module, optimiser)
        parameters = trainable(accelerator.unwrap_model(self._module))
        self._trained = Trained(parameters, Average(parameters, config.optimiser.ema_decay), optimiser)
        self._checkpoints = Checkpoints(folder.checkpoints, config.checkpoints.keep)
        self._unreported: list[dict[str, float]] = []  # losses of the steps since the last line
        self._last_saved = 0
        self.has_written = False  # the adapter's file; not where it was there already, whole
        self._clock = (time.monotonic(), 0)

    def run(self) -> Iterator[Event]:
        """Train from the newest checkpoint to the last step, and leave the adapter in the folder.

        An adapter that is there with the same bytes is left alone (`has_written` tells).

        PixelSmileError where a loss or the gradient is not finite: before the update, and the state is saved.
        OutputError where the disk refuses; what was saved before is still there.
        """
        first = self._resume()
        self._clock = (time.monotonic(), first)
        with ExitStack() as files:
            stats = self._reopen(files, self._folder.stats, StatRecord, first)
            validations = self._reopen(files, self._folder.validations, ValidationRecord, first)
            files.enter_context(tracking(self._accelerator, self._config, first))
            for step in range(first, self.num_steps):
                self._unreported.append(self._step(step))
                yield from self._after(step + 1, stats, validations)
        self._export()

    def _after(self, done: int, stats: LineWriter | None, validations: LineWriter | None) -> Iterator[Event]:
        """What is due after a step. The checkpoint comes last: a run that goes on from it lacks nothing."""
        config = self._config
        if self._is_due(done, config.log.every):
            yield self._report(done, stats)
        if self._job.validate is not None and self._is_due(done, config.validation.every):
            yield self._validate(self._job.validate, done, validations)
        if self._is_due(done, config.checkpoints.every):
            yield self._save(done)

    def _reopen(
        self, files: ExitStack, path: Path, kind: type[StatRecord] | type[ValidationRecord], step: int
    ) -> LineWriter | None:
        return on_main(self._accelerator, lambda: files.enter_context(reopened(path, kind, step)))

    def _is_due(self, done: int, every: int | None) -> bool:
        return every is not None and (done % every == 0 or done == self.num_steps)

    def _step(self, step: int) -> dict[str, float]:
        """One update of the weights; the mean losses of its triplets, and the norm of the gradient."""
        from accelerate.utils import set_seed

        settings = self._config.optimiser
        set_seed(derived_seed(self._order.seed, "step", step, self.layout.process) % _NUM_SEEDS)
        losses = self._backward(step)
        limit = settings.max_grad_norm or math.inf
        norm = _local(self._accelerator.clip_grad_norm_(list(self._trained.parameters.values()), limit))
        values = self._checked(step, {**losses, _GRADIENT: norm})
        rate = learning_rate(settings, step, self.num_steps)
        optimiser = self._trained.optimiser
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()
        self._trained.average.update(step)
        return values

    def _backward(self, step: int) -> dict[str, Tensor]:
        """Add up the gradients of the parts of a step; the mean of each loss over them, of this process."""
        num_parts = self.layout.accumulation
        sums: dict[str, Tensor] = {}
        for part in range(num_parts):
            draws = self._order.draws(self.layout.positions(step, part))
            is_last = part == num_parts - 1
            with nullcontext() if is_last else self._accelerator.no_sync(self._module):
                losses = self._module(draws)
                self._accelerator.backward(losses[TOTAL] / num_parts)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0) + value.detach().float() / num_parts
        return sums

    def _checked(self, step: int, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The values as numbers, means over processes; the run stops where one of them is not finite."""
        stacked = torch.stack([value.to(self._accelerator.device) for value in values.values()])
        numbers = dict(zip(values, mean_over_processes(self._accelerator, stacked).tolist(), strict=True))
        bad = [f"{name} is {number}" for name, number in numbers.items() if not math.isfinite(number)]
        if bad:
            if self._last_saved < step:
                self._save(step)
            kept = f"the state before it is kept in {str(self._folder.checkpoints)!r}: " if step else ""
            raise PixelSmileError(
                f"step {step + 1}: {', '.join(bad)}; stopped before the update; {kept}go on with the same "
                "command and a lower optimiser.learning_rate or max_grad_norm, or look at the triplets"
            )
        return numbers

    def _report(self, done: int, stats: LineWriter | None) -> StatRecord:
        losses = mean_losses(self._unreported)
        now = time.monotonic()
        seconds, steps = now - self._clock[0], done - self._clock[1]
        self._clock = (now, done)
        self._unreported.clear()
        record = StatRecord(
            step=done,
            epoch=rounded(done * self.layout.global_batch / self._job.num_triplets),
            grad_norm=losses.pop(_GRADIENT),
            losses=losses,
            learning_rate=rounded(learning_rate(self._config.optimiser, done - 1, self.num_steps)),
            samples_per_s=rounded(steps * self.layout.global_batch / max(seconds, 1e-9)),
            memory_gb=peak_memory_gb(self._accelerator.device),
        )
        on_main(self._accelerator, lambda: stats.write(record) if stats else None)
        shown = {**{f"loss/{name}": value for name, value in losses.items()}, "grad_norm": record.grad_norm}
        self._accelerator.log({**shown, "learning_rate": record.learning_rate}, step=done)
        return record

    def _validate(
        self, validate: Callable[[int], ValidationRecord], done: int, validations: LineWriter | None
    ) -> ValidationRecord:
        def look() -> ValidationRecord:
            record = validate(done)
            if validations is not None:
                validations.write(record)
            return record

        started = time.monotonic()
        with self._trained.average.applied(), gathered(self._module):
            found = look() if is_spread(self._trained.parameters) else on_main(self._accelerator, look)
        record = found or ValidationRecord(step=done, numbers={}, pictures=())
        self._accelerator.log(
            {f"validation/{name}": value for name, value in record.numbers.items()}, step=done
        )
        self._clock = (self._clock[0] + time.monotonic() - started, self._clock[1])
        return record

    def _save(self, done: int) -> Saved:
        tensors, numbers = self._trained.tensors(self._accelerator.is_main_process)
        facts = self._facts(done).model_copy(update={"numbers": numbers, "window": tuple(self._unreported)})
        path = on_main(self._accelerator, lambda: self._checkpoints.save(State(facts, tensors)))
        self._last_saved = done
        return Saved(done, path or self._folder.checkpoints)

    def _export(self) -> None:
        tensors = whole(self._trained.average.values, self._accelerator.is_main_process)

        def write() -> None:
            product = product_name(self._config)
            for name, data in {product: self._job.export(tensors), **self._job.beside}.items():
                path = self._folder.path / name
                if not path.is_file() or sha256_file(path) != sha256_bytes(data):
                    write_file(path, data, force=True)
                    self.has_written = True

        on_main(self._accelerator, write)

    def _resume(self) -> int:
        """Take over the newest state; the number of steps that it has behind it, 0 where there is none."""
        state = self._checkpoints.latest()
        step = 0 if state is None else state.facts.step
        if not agree(self._accelerator, step):
            raise OutputError(
                f"the processes see different checkpoints in {str(self._folder.path)!r}: give them one folder"
            )
        if state is not None:
            state.facts.check(self._facts(step), self.num_steps, f"the run in {str(self._folder.path)!r}")
            self._trained.restore(state)
            self._unreported = [dict(values) for values in state.facts.window]
            self._last_saved = step
        return step

    def _facts(self, step: int) -> Facts:
        return Facts(
            step=step,
            config=config_hash(self._config),
            data=self._job.data,
            global_batch=self.layout.global_batch,
        )


def _local(norm: Tensor) -> Tensor:
    """A norm as a plain tensor, where the gradients are spread over processes."""
    full: Tensor = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    return full
