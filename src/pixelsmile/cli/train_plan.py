"""`pixelsmile train --dry-run` and `--smoke`: what a training would take, and whether it runs at all."""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import StatusLine, print_json

if TYPE_CHECKING:
    from pixelsmile.benchmarks.benchmark import Benchmark
    from pixelsmile.training.cache_filling import CacheProgress
    from pixelsmile.training.config import TrainingConfig
    from pixelsmile.training.estimate import Estimate, Rehearsal
    from pixelsmile.training.validation import Measure

_GPU_FLOPS = 400e12  # a second: about 40 % of what an H100 or H200 can do in bfloat16
_MEASURABLE_GB = 4  # of weights: a CPU takes two steps of such a model in seconds


def show_cache(display: StatusLine, progress: "CacheProgress") -> None:
    """One more picture is in the cache."""
    tenth = max(1, progress.total // 10)
    is_due = display.overwrites or progress.done % tenth == 0 or progress.done == progress.total
    if progress.total and is_due:
        display.status(f"caching pictures: {progress.done} of {progress.total}")


def smoke(
    options: argparse.Namespace,
    config: "TrainingConfig",
    measure: "Measure | None",
    accelerator: Any,
    display: StatusLine,
) -> None:
    """Two steps of everything, and one line about them. measure: of the `shortened` configuration."""
    from pixelsmile.training.estimate import rehearse

    found = rehearse(config, accelerator, measure=measure, on_progress=partial(show_cache, display))
    if accelerator.is_main_process:
        if options.json:
            print_json(_as_dict(found))
        else:
            losses = ", ".join(f"{name} {value:.4f}" for name, value in found.last.losses.items())
            print(
                f"two steps of everything work: {losses}; a step takes {found.step_s:.2f} s, "
                f"{found.last.memory_gb:.1f} GB, {_product(config, 'the')} {found.adapter_bytes / 1e6:.1f} MB"
            )


def dry_run(
    options: argparse.Namespace,
    config: "TrainingConfig",
    folder: Path,
    benchmark: "Benchmark | None",
    accelerator: Any,
    display: StatusLine,
) -> None:
    """What the training will do and take; on a CPU with a small model two steps are measured."""
    from pixelsmile.training.estimate import estimate, rehearse

    on_gpu = accelerator.device.type == "cuda"
    outline = _outline(config, folder, benchmark, accelerator)
    expected = estimate(
        config,
        on_gpu,
        accelerator.num_processes if accelerator.is_fsdp2 else 1,
        num_branches=outline.num_branches,
        num_words=outline.num_words,
    )
    measured = None
    if not on_gpu and expected.memory[0].size_gb < _MEASURABLE_GB:
        alone = config.model_copy(update={"validation": type(config.validation)()})
        measured = rehearse(alone, accelerator, on_progress=partial(show_cache, display), num_batches=1)
    if accelerator.is_main_process:
        if options.json:
            print_json(_summary(outline, expected, measured))
        else:
            print("\n".join(_lines(config, outline, expected, measured)))


@dataclass(frozen=True)
class _Outline:
    """What a training goes through.

    num_prompted: sources, each once for every instruction. num_branches: targets of a triplet. num_words: of
    the longest prompt. num_edits: of one look at the adapter (validation).
    """

    folder: Path
    num_triplets: int
    num_pictures: int
    num_prompted: int
    num_branches: int
    num_words: int
    num_steps: int
    num_processes: int
    global_batch: int
    num_looks: int
    num_edits: int

    def cache_gb(self, expected: "Estimate") -> float:
        """About what the cache will take."""
        return (self.num_pictures * expected.latents_bytes + self.num_prompted * expected.prompts_bytes) / 1e9


def _outline(
    config: "TrainingConfig", folder: Path, benchmark: "Benchmark | None", accelerator: Any
) -> _Outline:
    from pixelsmile.expressions import neutral_prompt
    from pixelsmile.training.assembly import NUM_PORTRAITS
    from pixelsmile.training.optimiser import check_optimiser
    from pixelsmile.triplets.triplet import read_triplets

    triplets = read_triplets(Path(config.data.triplets), domain=config.data.domain)
    check_optimiser(config.optimiser, accelerator.device)
    num_processes = accelerator.num_processes
    num_steps = config.num_steps(len(triplets), num_processes)
    sources = {triplet.source.image for triplet in triplets}
    look = config.validation
    num_portraits = len(look.portraits) or min(NUM_PORTRAITS, len(sources))
    num_sweeps = num_portraits * len(look.expressions) + (len(benchmark.tasks) if benchmark else 0)
    return _Outline(
        folder=folder,
        num_triplets=len(triplets),
        num_pictures=len({image for triplet in triplets for image in triplet.images}),
        num_prompted=len({(triplet.source.image, triplet.instruction) for triplet in triplets}),
        num_branches=len(triplets[0].targets),
        num_words=max(len((triplet.instruction or neutral_prompt()).split()) for triplet in triplets),
        num_steps=num_steps,
        num_processes=num_processes,
        global_batch=config.run.global_batch(num_processes),
        num_looks=0 if look.every is None else math.ceil(num_steps / look.every),
        num_edits=0 if look.every is None else num_sweeps * len(look.strengths),
    )


def _product(config: "TrainingConfig", article: str = "") -> str:
    """What comes of it, with `an` or `a` where no other article is given."""
    if config.control is None:
        return f"{article or 'an'} adapter"
    return f"{article or 'a'} control"


def _lines(
    config: "TrainingConfig", outline: _Outline, expected: "Estimate", measured: "Rehearsal | None"
) -> Iterator[str]:
    seen = outline.num_steps * outline.global_batch / outline.num_triplets
    processes = f"{outline.num_processes} process{'es' if outline.num_processes > 1 else ''}"
    yield (
        f"{outline.num_triplets:,} triplets ({outline.num_pictures:,} pictures), {outline.num_steps:,} steps "
        f"of {outline.global_batch} on {processes}: each triplet is seen {seen:.3g} times"
    )
    yield (
        f"writes {outline.folder}: {_product(config)} of {_gb(expected.adapter_bytes / 1e9)}, a checkpoint "
        f"every {config.checkpoints.every} steps (the last {config.checkpoints.keep} stay)"
    )
    if outline.num_looks:
        yield (
            f"validates every {config.validation.every} steps and at the end, {outline.num_looks} times in "
            f"all: {outline.num_edits} edits each"
        )
    yield f"caches about {_gb(outline.cache_gb(expected))} in {config.data.cache}"
    yield "memory of a process, estimated:"
    yield from (f"  {part.name:<24} {_gb(part.size_gb):>9}   {part.reason}" for part in expected.memory)
    yield f"  {'together':<24} {_gb(expected.total_gb):>9}   and the encoders of the terms"
    step_flop = sum(expected.step_flop.values())
    yield f"arithmetic of a step, estimated: {step_flop / 1e12:.3g} TFLOP without the encoders of the terms"
    for name, flop in expected.step_flop.items():
        yield f"  {name:<24} {flop / 1e12:>9.3g} TFLOP {flop / step_flop:>6.1%}"
    yield from _times(outline, expected, measured)


def _times(outline: _Outline, expected: "Estimate", measured: "Rehearsal | None") -> Iterator[str]:
    from pixelsmile.training.statistics import duration

    step_flop = sum(expected.step_flop.values())
    step_s = step_flop / _GPU_FLOPS if measured is None else measured.step_s
    whole = duration(step_s * outline.num_steps)
    if measured is None:
        yield f"time, estimated: {whole} at {_GPU_FLOPS / 1e12:.0f} TFLOP/s, 40 % of an H100 or H200"
    else:
        yield (
            f"measured in two steps: {step_s:.2f} s a step, so {whole}; "
            f"{_gb(measured.last.memory_gb)} of memory"
        )
    if outline.num_looks:
        edit_s = step_s * expected.edit_flop / step_flop
        looks = duration(edit_s * outline.num_edits * outline.num_looks)
        yield f"and about {looks} for the edits of the validation, by their arithmetic"


def _gb(size: float) -> str:
    return f"{size:.1f} GB" if size >= 1 else f"{size * 1000:.1f} MB"


def _summary(outline: _Outline, expected: "Estimate", measured: "Rehearsal | None") -> dict[str, object]:
    return {
        "run": str(outline.folder),
        "triplets": outline.num_triplets,
        "pictures": outline.num_pictures,
        "steps": outline.num_steps,
        "global_batch": outline.global_batch,
        "validations": outline.num_looks,
        "edits_each": outline.num_edits,
        "cache_gb": round(outline.cache_gb(expected), 6),
        "memory_gb": {part.name: round(part.size_gb, 4) for part in expected.memory},
        "step_tflop": {name: flop / 1e12 for name, flop in expected.step_flop.items()},
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
