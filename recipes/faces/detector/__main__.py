"""Make the embedded face detector again: one command, resumable, about twenty minutes on two cores.

Scenes and close looks of a step are made while the step before is taken.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pixelsmile.faces.detectors.drawn import to_tensor
from pixelsmile.networks.face_detector import DrawnFaceNetwork
from recipes.command_line import Stages, begin, recipe_parser, refusing, run
from recipes.faces.detector.objective import (
    CloseTargets,
    FindTargets,
    close_losses,
    close_targets,
    find_losses,
    find_targets,
)
from recipes.faces.detector.plan import Plan
from recipes.faces.detector.pool import Pool, draw_pool, load_pool
from recipes.faces.detector.scenes import Scene, sample_close, sample_scene
from recipes.optimisation import Losses, train
from recipes.work_folder import held, publish, require_replaceable

_SCENE, _CLOSE = 0, 1  # streams of random numbers


@refusing()
def main() -> None:
    """Run every stage that is not done yet."""
    options = begin(recipe_parser("faces.detector", __doc__, "runs/faces/detector", "cpu"), "finished")
    require_replaceable(options.out)
    with held(options.work):
        run(stages(Plan(), options.work, options.out, options.workers, options.device))


def stages(plan: Plan, work: Path, out: Path, num_workers: int, device: torch.device) -> Stages:
    """The stages in order, each with its progress."""
    yield "pool", draw_pool(plan.pool, plan.seed, work / "pool", num_workers)
    (work / "plan.json").write_text(
        json.dumps(asdict(plan) | {"network": plan.network.model_dump()}, indent=2)
    )
    if not (work / "detector" / "model" / "config.json").is_file():
        yield "detector", train_detector(plan, load_pool(work / "pool"), work / "detector", device)
    publish(work / "detector", out)


class Batch(NamedTuple):
    """What one step sees, and what should be said about it."""

    scenes: Tensor  # BCHW
    of_scenes: FindTargets
    close: Tensor  # BCHW
    of_close: FindTargets
    details: CloseTargets


def train_detector(plan: Plan, pool: Pool, folder: Path, device: torch.device) -> Iterator[dict[str, Any]]:
    """Train on scenes made of `pool`, then write config.json and model.safetensors into `folder/model`."""
    torch.manual_seed(plan.seed)
    network = DrawnFaceNetwork(plan.network).to(device, memory_format=torch.channels_last)
    with ThreadPoolExecutor(1) as worker:
        batch_of_step = _ahead(lambda step: make_batch(plan, pool, step), worker)

        def losses_of_step(step: int) -> Losses:
            return losses_of(network, _moved(batch_of_step(step), device), plan)

        yield from train(network, losses_of_step, plan.optimisation, folder)
    network.cpu().save(folder / "model")


def make_batch(plan: Plan, pool: Pool, step: int) -> Batch:
    """The scenes and close looks of a step: the same for the same plan, whatever came before."""
    scenes = [
        sample_scene(pool, plan.scene, np.random.default_rng((plan.seed, step, _SCENE, index)))
        for index in range(plan.num_scenes)
    ]
    close = [
        sample_close(pool, plan.close, np.random.default_rng((plan.seed, step, _CLOSE, index)))
        for index in range(plan.num_close)
    ]
    return Batch(
        _pictures(scenes),
        find_targets(scenes, plan.truth, plan.loss),
        _pictures(close),
        find_targets(close, plan.truth, plan.loss),
        close_targets(close),
    )


def losses_of(network: DrawnFaceNetwork, batch: Batch, plan: Plan) -> Losses:
    """The loss of a step, and the parts that are worth a look."""
    found, _ = find_losses(network(batch.scenes), batch.of_scenes, plan.loss)
    in_close, details = network.look_closely(batch.close)
    found_close, parts_close = find_losses(in_close, batch.of_close, plan.loss)
    seen, parts_seen = close_losses(details, batch.details, plan.loss)
    parts = {name: value.detach() for name, value in (parts_close | parts_seen).items()}
    return {"loss": found + found_close + seen, "scenes": found.detach(), **parts}


def _pictures(scenes: Sequence[Scene]) -> Tensor:
    return to_tensor(np.stack([scene.pixels for scene in scenes]))


def _ahead(make: Callable[[int], Batch], worker: ThreadPoolExecutor) -> Callable[[int], Batch]:
    """The same function, which begins with the next step's batch once a step's is taken."""
    waiting: dict[int, Future[Batch]] = {}

    def batch_of_step(step: int) -> Batch:
        coming = waiting.pop(step, None) or worker.submit(make, step)
        waiting[step + 1] = worker.submit(make, step + 1)
        return coming.result()

    return batch_of_step


def _moved(batch: Batch, device: torch.device) -> Batch:
    """On the device; pictures with their channels last, as the network has its weights."""
    scenes, close = (
        pictures.to(device, memory_format=torch.channels_last) for pictures in (batch.scenes, batch.close)
    )
    of_scenes, of_close = (_targets_on(targets, device) for targets in (batch.of_scenes, batch.of_close))
    details = CloseTargets(*(value.to(device) for value in vars(batch.details).values()))
    return Batch(scenes, of_scenes, close, of_close, details)


def _targets_on(targets: FindTargets, device: torch.device) -> FindTargets:
    return FindTargets(*(value.to(device) for value in vars(targets).values()))


if __name__ == "__main__":
    main()
