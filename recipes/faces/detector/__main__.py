"""Make the embedded face detector again: one command, resumable, about twenty minutes on two cores."""

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from recipes.faces.detector.plan import Plan
from recipes.faces.detector.pool import draw_pool, load_pool
from recipes.faces.detector.training import train_detector
from recipes.work_folder import publish

log = logging.getLogger("recipe")


def main() -> None:
    """Run every stage that is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m recipes.faces.detector", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/faces/detector"), help="where stages keep what they made"
    )
    parser.add_argument("--out", type=Path, default=None, help="the finished folder (default: WORK/finished)")
    parser.add_argument("--threads", type=int, default=None, help="of torch; default: its own choice")
    parser.add_argument("--device", default="cpu", help="of the training (default: cpu)")
    arguments = parser.parse_args()
    out = arguments.out or arguments.work / "finished"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    for name, progress in stages(Plan(), arguments.work, out, torch.device(arguments.device)):
        for record in progress:
            log.info("%s %s", name, json.dumps(record))
    log.info("the detector is in %s", out)


def stages(
    plan: Plan, work: Path, out: Path, device: torch.device
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The stages in order, each with its progress; a stage runs as its progress is read."""
    yield "pool", draw_pool(plan.pool, plan.seed, work / "pool")
    (work / "plan.json").write_text(
        json.dumps(asdict(plan) | {"network": plan.network.model_dump()}, indent=2)
    )
    if not (work / "detector" / "model" / "config.json").is_file():
        yield "detector", train_detector(plan, load_pool(work / "pool"), work / "detector", device)
    publish(work / "detector", out)


if __name__ == "__main__":
    main()
