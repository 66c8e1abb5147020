"""The command line that the recipes of networks share: options, log, stages one after another, reports."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from pixelsmile.cli.parsing import whole_number
from pixelsmile.editing.devices import place
from pixelsmile.errors import DeviceError, PixelSmileError
from pixelsmile.expressions import parse_strength
from pixelsmile.store.publication import write_file

T = TypeVar("T")
Records = Iterator[dict[str, Any]]
Stages = Iterator[tuple[str, Records]]  # a stage runs as its records are read

log = logging.getLogger("recipe")


def checked(read: Callable[[str], T]) -> Callable[[str], T]:
    """An argparse type: what the product's commands read so, refused as argparse refuses."""

    def parse(text: str) -> T:
        try:
            return read(text)
        except PixelSmileError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def whole(least: int = 1) -> Callable[[str], int]:
    """An argparse type: a whole number from `least` on."""
    return checked(whole_number("the number", least))


def strength(text: str) -> str:
    """An argparse type: a strength, as it was typed."""
    checked(parse_strength)(text)
    return text


@contextmanager
def refusing(parser: argparse.ArgumentParser | None = None) -> Iterator[None]:
    """One line and the exit code of a command, in place of a traceback, where the block refuses.

    Also a decorator, of what has no parser yet.
    """
    try:
        yield
    except PixelSmileError as error:
        print(f"{parser.prog if parser else 'recipe'}: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def recipe_parser(
    name: str, description: str | None, work: str, device: str | None = None
) -> argparse.ArgumentParser:
    """Options of `python -m recipes.NAME`.

    description: its first line is shown. device: the default; None is a GPU if there is one.
    """
    summary = (description or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog=f"python -m recipes.{name}", description=summary)
    parser.add_argument("--work", type=Path, default=Path(work), help="where stages keep what they made")
    parser.add_argument("--out", type=Path, default=None, help="what is finished (default: in WORK)")
    parser.add_argument("--workers", type=whole(), default=os.cpu_count() or 1, help="processes that draw")
    parser.add_argument("--threads", type=whole(), default=None, help="of torch; default: its own choice")
    parser.add_argument(
        "--device",
        default=device or ("cuda" if torch.cuda.is_available() else "cpu"),
        help="of the trainings (default: %(default)s)",
    )
    return parser


def begin(parser: argparse.ArgumentParser, result: str) -> argparse.Namespace:
    """The options, with log and threads set up. result: where `--out` lies in WORK by default."""
    options = parser.parse_args()
    start_log()
    options.out = options.out or options.work / result
    try:
        options.device = place(options.device).device
    except DeviceError as error:
        parser.error(f"argument --device: {error}")
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


def start_log() -> None:
    """To stderr, with the time of day."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


def run(stages: Iterable[tuple[str, Records]], until: str | None = None) -> None:
    """Run stages to their end, or to that of `until`, and log every record."""
    for name, records in stages:
        for record in records:
            log.info("%s %s", name, json.dumps(record))
        if name == until:
            return


def write_report(report: dict[str, Any], target: Path) -> None:
    """As indented JSON, whole or not at all; a report that is there is replaced. OutputError."""
    write_file(target, (json.dumps(report, indent=2) + "\n").encode(), force=True)


def rounded(value: float | np.floating[Any] | torch.Tensor, num_digits: int = 4) -> float:
    """As a report has it."""
    return round(float(value), num_digits)


def mean_or_none(values: Iterable[float] | np.ndarray, num_digits: int = 4) -> float | None:
    """Their mean as a report has it; None of nothing."""
    found = list(values)
    return rounded(np.mean(found), num_digits) if found else None
