"""Make the embedded judge again: one command, resumable, about half an hour on two free cores."""

import argparse
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pixelsmile.embedded import model_path
from recipes.judge import crops
from recipes.judge.fakes import load_photographs
from recipes.judge.plan import Plan
from recipes.judge.training import train_judge
from recipes.work_folder import publish

log = logging.getLogger("recipe")


def main() -> None:
    """Run every stage that is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m recipes.judge", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/judge"), help="where stages keep what they made"
    )
    parser.add_argument("--out", type=Path, default=None, help="the finished folder (default: WORK/finished)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that draw")
    parser.add_argument("--threads", type=int, default=None, help="of torch; default: its own choice")
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="of reconstruction and training (default: a GPU if there is one)",
    )
    arguments = parser.parse_args()
    out = arguments.out or arguments.work / "finished"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    for name, progress in stages(Plan(), arguments.work, out, arguments.workers, device):
        for record in progress:
            log.info("%s %s", name, json.dumps(record))
    log.info("the judge is in %s", out)


def stages(
    plan: Plan, work: Path, out: Path, num_workers: int, device: torch.device
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The stages in order, each with its progress; a stage runs as its progress is read."""
    load_photographs(plan.fakes.photographs)  # what is missing is missed before the drawing
    folder, model = work / "crops", model_path()
    yield "drawing", crops.draw_all(plan, folder, num_workers)
    yield "reconstructing", crops.reconstruct_some(plan, model / "vae", folder, device)
    yield "editing", crops.edit_some(plan, model, folder)
    yield "training", train_judge(plan, crops.load(plan, model, folder), work / "network", device)
    publish(work / "network", out)


if __name__ == "__main__":
    main()
