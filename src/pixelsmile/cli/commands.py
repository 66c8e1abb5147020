"""A command that has commands of its own: finds the one that is asked for, and explains what there is."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pixelsmile.cli.parsing import nearest
from pixelsmile.cli.shell import is_asking, offer_words
from pixelsmile.errors import InputError

_ASKS = ("-h", "--help", "help")


@dataclass(frozen=True)
class Command:
    """A module of `pixelsmile.cli` with `run(arguments) -> exit code`, loaded when it is asked for."""

    module: str
    summary: str

    def run(self, arguments: Sequence[str]) -> int:
        """Its exit code."""
        entry: Callable[[list[str]], int] = importlib.import_module(f"pixelsmile.cli.{self.module}").run
        return entry(list(arguments))


@dataclass(frozen=True)
class CommandGroup:
    """Commands by what is typed, in one word or two (`ffe run`).

    name: of the group. examples: lines to type. remark: the last line of its help.
    """

    name: str
    summary: str
    commands: Mapping[str, Command]
    examples: Sequence[str]
    remark: str = ""

    def run(self, arguments: Sequence[str]) -> int:
        """Run the command that the first words name.

        Help goes as in argparse: printed, and SystemExit(0). InputError with the nearest for other words.
        """
        if is_asking():
            self._offer(arguments)
        for num_words in (1, 2):
            if command := self.commands.get(" ".join(arguments[:num_words])):
                return command.run(arguments[num_words:])
        words = [word for word in arguments if word not in _ASKS]
        if words and arguments[0] in _ASKS:
            return self.run([*arguments[1:], "--help"])
        if not words or (len(words) == 1 and self._beginning_with(words[0])):
            print(self.help(*words), end="")
            raise SystemExit(0)
        if words[0].startswith("-"):
            raise InputError(f"unknown option {words[0]!r}: pixelsmile {self.name} --help explains")
        seen = " ".join(word for word in words[:2] if not word.startswith("-"))
        raise InputError(
            f"unknown command '{self.name} {seen}': {nearest(seen, self.commands)} "
            f"(pixelsmile {self.name} --help lists them)"
        )

    def help(self, first_word: str = "") -> str:
        """What can be typed; of commands of two words, those that begin with the first."""
        prog = f"pixelsmile {self.name} {first_word}".strip()
        found = self._beginning_with(first_word) if first_word else self.commands
        shown = {name.removeprefix(f"{first_word} "): command for name, command in found.items()}
        width = max(map(len, shown))
        lines = [
            *(f"usage: {prog} COMMAND ...", "", *(() if first_word else (self.summary, "")), "commands:"),
            *(f"  {name:<{width}}  {command.summary}" for name, command in shown.items()),
            *("", f"  {prog} COMMAND --help   what a command takes", "", "try it:"),
            *(f"  {line}" for line in self.examples if line.startswith(prog) or not first_word),
            *(("", self.remark) if self.remark else ()),
        ]
        return "\n".join(lines) + "\n"

    def _beginning_with(self, word: str) -> dict[str, Command]:
        return {name: command for name, command in self.commands.items() if name.split()[0] == word}

    def _offer(self, words: Sequence[str]) -> None:
        """Offer the word that may come next, unless a command is whole."""
        found = {}
        for name, command in self.commands.items():
            parts = name.split()
            if list(words) == parts[: len(words)] and len(parts) > len(words):
                rest = parts[len(words)]
                found[rest] = command.summary if len(parts) == len(words) + 1 else f"commands of {rest}"
        if found:
            offer_words(found)
