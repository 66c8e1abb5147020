"""`--choice name=value`: where the paper is silent about its metrics."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.benchmarks.metrics import MetricChoices


def add_choice_options(parser: CommandParser) -> None:
    """The options that say whose verdicts count, and how the metrics are taken."""
    parser.add_argument(
        "--judge", metavar="ID", help="whose verdicts: the beginning of an id, or panel (the mean of all)"
    )
    parser.add_argument(
        "--choice",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="take a metric otherwise, such as ties=unscored or accuracy_strengths=largest; again for more",
    )


def read_choices(options: argparse.Namespace) -> "MetricChoices":
    """The choices of `--choice`; a value is JSON, or a word. InputError for what no metric knows."""
    from dataclasses import fields

    from pixelsmile.benchmarks.metrics import MetricChoices

    known = [field.name for field in fields(MetricChoices)]
    values = dict(_pair(text, known) for text in options.choice)
    try:
        return MetricChoices.from_json(values)
    except TypeError as error:  # such as a word where a number belongs
        raise InputError(
            f"--choice {' '.join(options.choice)}: a value is of the wrong kind ({error})"
        ) from error


def _pair(text: str, known: Sequence[str]) -> tuple[str, object]:
    from pixelsmile.limits import parse_json

    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--choice {text!r}: write name=value, for example ties=unscored")
    if name not in known:
        raise InputError(f"unknown choice {name!r}: {nearest(name, known)}")
    try:
        return name, parse_json(value, "it")
    except InputError:
        return name, value
