"""Make the embedded editor again: one command, resumable, hours on two cores."""

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLQwenImage

from recipes.embedded import latents, pictures
from recipes.embedded.assemble import assemble, take_autoencoder
from recipes.embedded.autoencoder import train_autoencoder
from recipes.embedded.editor import train_editor
from recipes.embedded.plan import Plan

log = logging.getLogger("recipe")


def main() -> None:
    """Run every stage that is not done yet."""
    parser = argparse.ArgumentParser(prog="python -m recipes.embedded", description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/embedded"), help="where stages keep what they made"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="the finished diffusers folder (default: WORK/model)"
    )
    parser.add_argument("--threads", type=int, default=None, help="of torch; default: its own choice")
    parser.add_argument(
        "--no-compile", action="store_true", help="without torch.compile (which needs a C++ compiler)"
    )
    parser.add_argument(
        "--until", choices=("pictures", "autoencoder", "latents", "editor"), help="stop after it"
    )
    parser.add_argument(
        "--device",
        default="cuda" if torch.cuda.is_available() else "cpu",
        help="of the trainings (default: a GPU if there is one)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        default=None,
        help="a finished model folder: take its autoencoder, and go on from its editor after the first phase",
    )
    arguments = parser.parse_args()
    out = arguments.out or arguments.work / "model"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    device = torch.device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    all_stages = stages(Plan(), arguments.work, out, not arguments.no_compile, device, arguments.start)
    for name, progress in all_stages:
        for record in progress:
            log.info("%s %s", name, json.dumps(record))
        if name == arguments.until:
            return


def stages(
    plan: Plan,
    work: Path,
    out: Path,
    compile_network: bool,
    device: torch.device,
    start: Path | None = None,
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """The stages in order, each with its progress; a stage runs as its progress is read."""
    yield "pictures", pictures.draw_all(plan.pictures, plan.seed, work / "pictures")
    (work / "plan.json").write_text(json.dumps(asdict(plan), indent=2) + "\n")
    pixels, drawn = pictures.load(work / "pictures")

    autoencoder_folder = work / "autoencoder"
    if start is not None:
        take_autoencoder(start, autoencoder_folder)
    if not (autoencoder_folder / "vae" / "config.json").is_file():
        some = pixels[: plan.autoencoder.num_identities * 2 * plan.pictures.pictures_per_identity]
        yield (
            "autoencoder",
            train_autoencoder(plan.autoencoder, plan.seed, some, autoencoder_folder, compile_network, device),
        )
    vae = AutoencoderKLQwenImage.from_pretrained(
        autoencoder_folder / "vae", torch_dtype=torch.float32, trust_remote_code=False
    )
    vae.to(device)

    yield (
        "latents",
        latents.encode_all(vae, pixels, plan.editor.condition_px, work / "latents", compile_network),
    )
    editor_folder = work / "editor"
    if not (editor_folder / "transformer" / "config.json").is_file():
        arrays = latents.load(work / "latents")
        yield (
            "editor",
            train_editor(
                plan.editor, plan.seed, drawn, *arrays, editor_folder, compile_network, device, start
            ),
        )
    assemble(plan, autoencoder_folder, editor_folder, out, start)


if __name__ == "__main__":
    main()
