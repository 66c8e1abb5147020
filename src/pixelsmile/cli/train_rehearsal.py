"""`pixelsmile train --dry-run` and `--smoke`: what a training would take, and whether it runs at all."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.train_display import TrainDisplay

if TYPE_CHECKING:
    from pixelsmile.training.config import TrainingConfig
    from pixelsmile.training.estimate import Estimate
    from pixelsmile.training.rehearsal import Rehearsal

_GPU_FLOPS = 400e12  # a second: about 40 % of what an H100 or H200 can do in bfloat16
_MEASURABLE_GB = 4  # of weights: a CPU takes two steps of such a model in seconds


def smoke(
    options: argparse.Namespace, config: "TrainingConfig", accelerator: Any, display: TrainDisplay
) -> int:
    """Two steps of everything, and one line about them."""
    from pixelsmile.recipes.training.measuring import make_measure
    from pixelsmile.training.rehearsal import rehearse, shortened

    measure = make_measure(shortened(config), accelerator)
    found = rehearse(config, accelerator, measure=measure, on_progress=display.caching)
    if accelerator.is_main_process:
        if options.json:
            print(json.dumps(_as_dict(found)))
        else:
            losses = ", ".join(f"{name} {value:.4f}" for name, value in found.last.losses.items())
            print(
                f"two steps of everything work: {losses}; a step takes {found.step_s:.2f} s, "
                f"{found.last.memory_gb:.1f} GB, the adapter {found.adapter_bytes / 1e6:.1f} MB"
            )
    return 0


def dry_run(
    options: argparse.Namespace, config: "TrainingConfig", accelerator: Any, display: TrainDisplay
) -> int:
    """The estimate, on a CPU with a small model beside two measured steps."""
    from pixelsmile.training.estimate import estimate
    from pixelsmile.training.order import Layout
    from pixelsmile.training.rehearsal import rehearse
    from pixelsmile.training.triplet_lines import read_triplets

    on_gpu = accelerator.device.type == "cuda"
    num_triplets = len(read_triplets(Path(config.data.triplets), need_files=False))
    layout = Layout(config.run.batch_size, config.run.accumulation, accelerator.num_processes)
    num_steps = config.run.steps(num_triplets, layout.global_batch)
    expected = estimate(config, on_gpu, layout.num_processes if accelerator.is_fsdp2 else 1)
    measured = None
    if not on_gpu and expected.memory[0].size_gb < _MEASURABLE_GB:
        measured = rehearse(config, accelerator, on_progress=display.caching)
    if accelerator.is_main_process:
        if options.json:
            print(json.dumps(_summary(num_triplets, num_steps, layout.global_batch, expected, measured)))
        else:
            print("\n".join(_lines(num_triplets, num_steps, layout, expected, measured)))
    return 0


def _lines(
    num_triplets: int, num_steps: int, layout: Any, expected: "Estimate", measured: "Rehearsal | None"
) -> list[str]:
    from pixelsmile.training.statistics import duration

    processes = f"{layout.num_processes} process{'es' if layout.num_processes > 1 else ''}"
    lines = [
        f"{num_triplets:,} triplets, {num_steps:,} steps of {layout.global_batch} on {processes}",
        "memory of a process, estimated:",
        *(f"  {part.name:<24} {_gb(part.size_gb):>9}   {part.reason}" for part in expected.memory),
        f"  {'together':<24} {_gb(expected.total_gb):>9}   and the encoders of the terms",
        f"arithmetic of a step: {expected.step_flop / 1e12:.3g} TFLOP without decoder and encoders",
    ]
    if measured is None:
        hours = duration(expected.step_flop / _GPU_FLOPS * num_steps)
        lines.append(f"time, estimated: {hours} at {_GPU_FLOPS / 1e12:.0f} TFLOP/s, 40 % of an H100 or H200")
    else:
        whole = duration(measured.step_s * num_steps)
        lines.append(
            f"measured in two steps: {measured.step_s:.2f} s a step, so {whole}; "
            f"{_gb(measured.last.memory_gb)} of memory"
        )
    return lines


def _gb(size: float) -> str:
    return f"{size:.1f} GB" if size >= 1 else f"{size * 1000:.1f} MB"


def _summary(
    num_triplets: int, num_steps: int, global_batch: int, expected: "Estimate", measured: "Rehearsal | None"
) -> dict[str, object]:
    return {
        "triplets": num_triplets,
        "steps": num_steps,
        "global_batch": global_batch,
        "memory_gb": {part.name: round(part.size_gb, 4) for part in expected.memory},
        "step_tflop": expected.step_flop / 1e12,
        "measured": None if measured is None else _as_dict(measured),
    }


def _as_dict(found: "Rehearsal") -> dict[str, object]:
    return {
        "step_s": found.step_s,
        "losses": found.last.losses,
        "memory_gb": found.last.memory_gb,
        "sheets": found.num_pictures,
        "adapter_bytes": found.adapter_bytes,
    }
