"""Arguments, with errors that fit on one line and name what was probably meant."""

import argparse
import difflib
import itertools
import math
import os
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from pixelsmile.errors import InputError

ASKING = "_ARGCOMPLETE"  # in the environment where a shell asks what may come next
_WIDTH = 100  # of a help text
_Value = TypeVar("_Value")
Run = Callable[[argparse.Namespace], int]  # what a command does with its options; its exit code


def is_asking() -> bool:
    """Whether a shell asks what may come next."""
    return ASKING in os.environ


class CommandParser(argparse.ArgumentParser):
    """An argparse parser that raises InputError instead of printing its usage; `run` is for the options."""

    def __init__(self, command: str, summary: str, run: Run, epilog: str = "") -> None:
        self.run = run
        super().__init__(
            prog=f"pixelsmile {command}",
            description=summary,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )

    def parse_args(self, args: Sequence[str] | None = None, namespace: object = None) -> argparse.Namespace:  # type: ignore[override]
        """As argparse does it, but an unknown option gets the nearest known one.

        What has no option's name may stand anywhere: `a.png -e happy b.png`; after `--` nothing is an option.
        """
        words = list(args or ())
        if "--" in words:
            mark = words.index("--") + 1
            words[mark:] = map(_Literal, words[mark:])
        parsed, unknown = self.parse_known_intermixed_args(words)
        if unknown := [word for word in unknown if word != "--"]:
            word = unknown[0].partition("=")[0]
            if not word.startswith("-") or isinstance(unknown[0], _Literal):
                self.error(f"unexpected argument {word!r}: leave it out")
            options = [option for action in self._actions for option in action.option_strings]
            self.error(f"unknown option {word!r}: {_nearest(word, options) or 'leave it out'}")
        return parsed

    def _parse_optional(self, arg_string: str) -> Any:
        """As argparse has it, which parses twice where words stand anywhere, and forgets `--` in between."""
        return None if isinstance(arg_string, _Literal) else super()._parse_optional(arg_string)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} ({self.prog} --help explains)")


class _Literal(str):
    """A word that was typed after `--`: no option, whatever it begins with."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Fills paragraphs, and leaves indented lines (what is typed, tables) as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=_WIDTH)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = itertools.groupby(text.splitlines(), key=lambda line: line[:1] not in ("", " "))
        return "\n".join(
            textwrap.fill(" ".join(lines), _WIDTH, break_on_hyphens=False) if is_prose else "\n".join(lines)
            for is_prose, lines in blocks
        )


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean x?`, or `choose from ...` where nothing is near."""
    known = list(known)
    return _nearest(word, known) or f"choose from {', '.join(known)}"


def _nearest(word: str, known: Sequence[str]) -> str:
    bare = {name.lstrip("-"): name for name in known}  # the dashes of two options are alike in all of them
    matches = difflib.get_close_matches(word.lstrip("-"), bare, n=1, cutoff=0.6)
    return f"did you mean {bare[matches[0]]}?" if matches else ""


@dataclass(frozen=True)
class one_of:  # noqa: N801  # called like the other types
    """An argparse type: one of `choices`, or an InputError with the nearest."""

    what: str
    choices: Sequence[str]

    def __call__(self, text: str) -> str:
        if text in self.choices:
            return text
        raise InputError(f"unknown {self.what} {text!r}: {nearest(text, self.choices)}")


def whole_number(what: str, minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """An argparse type: an integer from `minimum` to `maximum`, or an InputError."""
    allowed = (
        f"a whole number of at least {minimum}" if maximum is None else f"one from {minimum} to {maximum}"
    )

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise InputError(f"{what} {text!r} is not a whole number: use {allowed}") from None
        if number < minimum or (maximum is not None and number > maximum):
            raise InputError(f"{what} {number} is out of range: use {allowed}")
        return number

    return parse


def parts_of(text: str) -> list[str]:
    """`happy,sad` as its parts, without the blanks around them; InputError where one is empty."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise InputError(f"a part of {text!r} is empty: write it like a,b,c, without blanks or in quotes")
    return parts


def listed(parse: Callable[[str], _Value]) -> Callable[[str], list[_Value]]:
    """An argparse type for `action=ExtendList`: what `parse` makes of each part of `0,0.5,1`."""
    return lambda text: [parse(part) for part in parts_of(text)]


class ExtendList(argparse.Action):
    """`-s 0,0.5 1 -s 1.5` as one list; its type gives a list for each word."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = getattr(namespace, self.dest)
        before = [] if given is self.default else given
        setattr(namespace, self.dest, [*before, *(item for items in values for item in items)])


def positive_number(what: str) -> Callable[[str], float]:
    """An argparse type: a finite number above 0, or an InputError."""
    return _number(
        lambda number: 0 < number < math.inf, f"{what} {{!r}} is not a positive number: use for example 3"
    )


def number_from(what: str, minimum: float, maximum: float) -> Callable[[str], float]:
    """An argparse type: a number from `minimum` to `maximum`, or an InputError."""
    return _number(
        lambda number: minimum <= number <= maximum,
        f"{what} {{!r}} is out of range: use a number from {minimum:g} to {maximum:g}",
    )


def share(what: str) -> Callable[[str], float]:
    """An argparse type: a number from 0 to 1, or an InputError."""
    return _number(
        lambda number: 0 <= number <= 1, f"{what} {{!r}} is no number from 0 to 1: use for example 0.5"
    )


def dollars(what: str) -> Callable[[str], Decimal]:
    """An argparse type: an amount of 0 or more, or an InputError."""

    def parse(text: str) -> Decimal:
        try:
            amount = Decimal(text)
        except ArithmeticError:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            raise InputError(f"{what} {text!r}: use an amount in dollars, 0.04 or 20")
        return amount

    return parse


def _number(is_right: Callable[[float], bool], refusal: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not is_right(number):
            raise InputError(refusal.format(text))
        return number

    return parse
