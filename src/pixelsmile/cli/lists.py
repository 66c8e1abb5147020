"""`pixelsmile expressions`: the words that there are."""

import argparse

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_json
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.expressions import NEUTRAL, SYNONYMS, TAXONOMY


def expressions_parser() -> CommandParser:
    """`pixelsmile expressions`."""
    summary = "List the expressions that -e understands, and their other names."
    parser = CommandParser("expressions", summary, run_expressions)
    add_json(parser)
    return parser


def run_expressions(options: argparse.Namespace) -> int:
    """Print every expression with the other words for it."""
    names = {name: _synonyms(name) for name in (NEUTRAL, *(entry.name for entry in TAXONOMY))}
    if options.json:
        print_json({"expressions": names})
    else:
        print("\n".join(f"{name:<10} {', '.join(synonyms)}" for name, synonyms in names.items()))
    return 0


def _synonyms(name: str) -> list[str]:
    return [word for word, meaning in SYNONYMS.items() if meaning == name and word != name]
