"""Sheets to look at: unseen people, every expression, edit beside truth at rising strength; a page a person.

    python -m recipes.embedded.sheet --domain human --model runs/embedded/model --out sheets/human

The truth is the canonical drawing of what was asked for. Without an adapter people with glasses are drawn the
partner within the confused pairs: their pages say so. Numbers do not see everything: look.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps

from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import find_model, read_options
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ModelError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain, parse_strength
from pixelsmile.portraits import action_units, render, sample_identity
from pixelsmile.portraits.nearest import DrawnPerson
from pixelsmile.results.grid import format_strength
from pixelsmile.store.publication import check_place
from recipes.command_line import checked, refusing, whole
from recipes.embedded.plan import PicturePlan

STRENGTHS = (0.0, 0.5, 1.0, 1.5)
TILE_PX, GAP_PX = 150, 8
LEFT_PX, TOP_PX = 76, 34  # for words
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def page(editor: Editor, seed: int, domain: Domain, strengths: Sequence[float] = STRENGTHS) -> Image.Image:
    """A row for each expression: edit and truth, side by side, at each strength."""
    identity, size = sample_identity(seed), editor.engine.info.size
    window = DrawnPerson(identity, domain).window
    source = render(identity, action_units(NEUTRAL), domain, size)
    requests = [Request(name, None, None, tuple(strengths)) for name in EXPRESSIONS]
    results = editor.edit_many(Image.fromarray(source), requests, domain=domain)
    step = 2 * TILE_PX + GAP_PX
    sheet = Image.new("RGB", (LEFT_PX + step * len(strengths), TOP_PX + TILE_PX * len(EXPRESSIONS)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((4, 4), _title(seed, domain), _INK)
    for column, strength in enumerate(strengths):
        draw.text((LEFT_PX + step * column, 19), f"{format_strength(strength)}: edit, truth", _INK)
    for row, (name, result) in enumerate(zip(EXPRESSIONS, results, strict=True)):
        draw.text((4, TOP_PX + TILE_PX * row + TILE_PX // 2), name, _INK)
        for column, (strength, edit) in enumerate(zip(strengths, result.images, strict=True)):
            truth = render(identity, action_units(name, strength), domain, size)
            for place, pixels in enumerate((np.asarray(edit), truth)):
                face = Image.fromarray(window.of(pixels))
                tile = ImageOps.contain(face, (TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
                sheet.paste(tile, (LEFT_PX + step * column + TILE_PX * place, TOP_PX + TILE_PX * row))
    return sheet


def require_own_adapter(model: str, domain: Domain) -> None:
    """ModelError where a model has no adapter of its own for the domain: the bare model would edit."""
    if domain not in read_options(find_model(model)).adapters:
        raise ModelError(f"{model!r} has no adapter of its own for {domain}: edit without, or name a file")


def _title(seed: int, domain: Domain) -> str:
    wears = sample_identity(seed).glasses != "none"
    confused = "; wears glasses: fear and surprised, angry and disgust may be drawn for one another"
    return f"{domain}, person {seed}{confused if wears else ''}"


@refusing()
def main() -> None:
    """Write the pages, and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--adapter", default="none", help="none (default), own (the model's), or an adapter")
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    parser.add_argument("--people", type=whole(), default=20)
    parser.add_argument("--strengths", type=checked(parse_strength), nargs="+", default=STRENGTHS)
    parser.add_argument("--threads", type=whole(), default=None, help="of torch; default: its own choice")
    parser.add_argument("--out", type=Path, default=Path("sheets"), help="the folder of the pages")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    targets = [arguments.out / f"{arguments.domain}-{index + 1:02}.png" for index in range(arguments.people)]
    if arguments.adapter == "own":
        require_own_adapter(arguments.model, arguments.domain)
    adapter = None if arguments.adapter == "own" else arguments.adapter
    editor = Editor.from_pretrained(arguments.model, adapter=adapter)
    check_place(arguments.out, [target.name for target in targets], force=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed, target in enumerate(targets, PicturePlan().first_test_seed):
        page(editor, seed, arguments.domain, arguments.strengths).save(target)
        print(target, flush=True)


if __name__ == "__main__":
    main()
