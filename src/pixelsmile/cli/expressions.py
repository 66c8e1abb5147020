"""`pixelsmile expressions`: what -e understands."""

import json
from collections.abc import Sequence

from pixelsmile.cli.parsing import CommandParser
from pixelsmile.expressions import NEUTRAL, SYNONYMS, TAXONOMY


def run(arguments: Sequence[str]) -> int:
    """Print every expression with the other words for it."""
    parser = CommandParser("expressions", "List the expressions that -e understands, and their other names.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    names = {NEUTRAL: _synonyms(NEUTRAL), **{entry.name: _synonyms(entry.name) for entry in TAXONOMY}}
    if options.json:
        print(json.dumps({"expressions": names}))
        return 0
    for name, synonyms in names.items():
        print(f"{name:<10} {', '.join(synonyms)}")
    return 0


def _synonyms(name: str) -> list[str]:
    return [word for word, meaning in SYNONYMS.items() if meaning == name and word != name]
