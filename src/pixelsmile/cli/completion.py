"""What a shell asks when TAB is pressed, and the answer; `pixelsmile completion` makes it ask.

The shell starts `pixelsmile` with the line so far in its environment. The command is found as ever, and its
own parser says what may come next (argcomplete): nothing is listed twice, and nothing heavy is loaded.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from pixelsmile.cli.parsing import ASKING, CommandParser, one_of

SHELLS = ("bash", "zsh", "fish")
_EPILOG = """add it once, and open a new shell:
  echo 'eval "$(pixelsmile completion bash)"' >> ~/.bashrc
  echo 'eval "$(pixelsmile completion zsh)"' >> ~/.zshrc       (after compinit)
  pixelsmile completion fish > ~/.config/fish/completions/pixelsmile.fish

`pixelsmile` must be a command of that shell: activate its environment there too.
"""


def parser() -> CommandParser:
    """`pixelsmile completion`."""
    parser = CommandParser(
        "completion", "Print what makes a shell complete pixelsmile's words.", run, _EPILOG
    )
    parser.add_argument("shell", metavar="SHELL", type=one_of("shell", SHELLS), help=" or ".join(SHELLS))
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the code that a shell evaluates."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["pixelsmile"], shell=options.shell).strip())
    return 0


def typed_words() -> list[str]:
    """The words before the one at the cursor, without `pixelsmile`."""
    from argcomplete.lexers import split_line

    return list(split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3][1:])


def offer_words(summaries: Mapping[str, str]) -> None:
    """Offer the next word, with what each does. It ends the process."""
    parser = argparse.ArgumentParser()
    group = parser.add_subparsers()
    for word, summary in summaries.items():
        group.add_parser(word, help=summary)
    _answer(parser, num_words=0)


def offer_arguments(parser: argparse.ArgumentParser, num_words: int) -> None:
    """Offer the options of a parser, or values for the one at the cursor. It ends the process.

    num_words: how many of the typed words are the parser's.
    """
    command = parser.prog.removeprefix("pixelsmile ")
    for action in parser._actions:
        name = action.option_strings[-1] if action.option_strings else f"{command} {action.dest}"
        choices = getattr(action.type, "choices", None)
        words = _VALUES.get(name) if choices is None else partial(tuple, choices)
        if words is not None:
            action.completer = _OneOf(words)  # type: ignore[attr-defined]
    _answer(parser, num_words)


def _answer(parser: argparse.ArgumentParser, num_words: int) -> None:
    from argcomplete import autocomplete

    # How many words there are before the parser's: `pixelsmile` and the names of commands.
    os.environ[ASKING] = str(1 + len(typed_words()) - num_words)
    autocomplete(parser, always_complete_options=False)  # options where a dash was typed


class _OneOf:
    """Completes a word, and the last item of a list with commas. words: asked for where they are wanted."""

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self._words = words

    def __call__(self, prefix: str, **_: object) -> list[str]:
        before, comma, item = prefix.rpartition(",")
        return [f"{before}{comma}{word}" for word in self._words() if word.startswith(item)]


def _expressions() -> Iterable[str]:
    from pixelsmile.expressions import EXPRESSIONS

    return (*EXPRESSIONS, "all")


def _detectors() -> Iterable[str]:
    from pixelsmile.faces.detectors.loading import AUTO, DETECTORS

    return (AUTO, *DETECTORS)


def _weights() -> Iterable[str]:
    from pixelsmile.cli.models import names

    return names()


def _editors() -> Iterable[str]:
    from pixelsmile.editors.table import rows

    return rows()


def _recipes() -> Iterable[str]:
    from pixelsmile.training import PRESETS

    return PRESETS


def _settings() -> Iterable[str]:
    from pixelsmile.limits import known_keys
    from pixelsmile.training.config import TrainingConfig

    keys = list(known_keys(TrainingConfig))
    sections = {key.rpartition(".")[0] for key in keys}
    return (f"{key}=" for key in keys if key not in sections)


# Arguments whose parser takes more than a list of words (a file, a mixture), by option or command and name.
_VALUES: Mapping[str, Callable[[], Iterable[str]]] = {
    "--expression": _expressions,
    "--detector": _detectors,
    "--model": lambda: ("embedded",),
    "--device": lambda: ("cpu", "cuda"),
    "--editor": _editors,
    "editors show name": _editors,
    "models action": lambda: ("list", "fetch", "check"),
    "models names": _weights,
    "train config": _recipes,
    "--set": _settings,
}
