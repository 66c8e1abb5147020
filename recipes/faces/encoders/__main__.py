"""Make the embedded identity encoders again: one command, resumable, about 40 minutes on two cores."""

import argparse
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from pixelsmile.embedded import model_path
from pixelsmile.faces.encoders.encoder import Kind
from recipes.faces.encoders import crops
from recipes.faces.encoders.plan import ENCODERS, Plan
from recipes.faces.encoders.training import train_encoder

log = logging.getLogger("recipe")


def main() -> None:
    """Run every stage that is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m recipes.faces.encoders", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/encoders"), help="where stages keep what they made"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="the finished folders, one an encoder (default: WORK/model)"
    )
    kinds = [encoder.kind for encoder in ENCODERS]
    parser.add_argument("--only", choices=kinds, nargs="+", default=kinds, help="train these alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that draw")
    parser.add_argument("--threads", type=int, default=None, help="of torch; default: its own choice")
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="of the trainings (default: a GPU if there is one)",
    )
    arguments = parser.parse_args()
    out = arguments.out or arguments.work / "model"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    all_stages = stages(Plan(), arguments.work, out, arguments.only, arguments.workers, device)
    for name, progress in all_stages:
        for record in progress:
            log.info("%s %s", name, json.dumps(record))


def stages(
    plan: Plan, work: Path, out: Path, only: Sequence[Kind], num_workers: int, device: torch.device
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The stages in order, each with its progress; a stage runs as its progress is read."""
    folder, autoencoder = work / "crops", model_path() / "vae"
    yield "drawing", crops.draw_all(plan, folder, num_workers)
    yield "reconstructing", crops.reconstruct_some(plan.pictures, autoencoder, folder, device)
    drawn = crops.load(folder, autoencoder)
    for encoder in plan.encoders:
        if encoder.kind in only:
            progress = train_encoder(plan, encoder, drawn, work / encoder.kind, out / encoder.kind, device)
            yield encoder.kind, progress


if __name__ == "__main__":
    main()
