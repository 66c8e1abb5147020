"""`pixelsmile expressions` and `models`: the words that there are, and the weight files of others."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_json
from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, SYNONYMS, TAXONOMY

if TYPE_CHECKING:
    from pixelsmile.faces.weights import WeightFile

_ACTIONS = ("list", "fetch")
_EPILOG = """examples:
  pixelsmile models list
  pixelsmile models fetch yunet auraface
  pixelsmile models fetch scrfd --accept-licence

Files lie in $PIXELSMILE_MODELS, or in the user's cache folder. Those at the end of the list ship with
pixelsmile.
"""


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


def models_parser() -> CommandParser:
    """`pixelsmile models`."""
    summary = "List or fetch the weights of face detectors and encoders."
    parser = CommandParser("models", summary, run_models, _EPILOG)
    parser.add_argument("action", metavar="list|fetch", help="what to do")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (list: all of them)")
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="you have read the licence of weights that restrict their use, and keep to it",
    )
    add_json(parser)
    return parser


def run_models(options: argparse.Namespace) -> int:
    """List the files and their state, or download some of them."""
    match options.action:
        case "list":
            _list(options)
        case "fetch":
            _fetch(options)
        case action:
            raise InputError(f"unknown action {action!r}: {nearest(action, _ACTIONS)}")
    return 0


def _list(options: argparse.Namespace) -> None:
    from pixelsmile.embedded import photo_sources
    from pixelsmile.faces.weights import WEIGHTS, models_folder

    chosen = _named(options.names or list(WEIGHTS))
    shipped = {} if options.names else photo_sources()
    if options.json:
        records = [
            {**asdict(weights), "state": weights.state(), "path": str(weights.path), "url": weights.url}
            for weights in chosen
        ]
        print_json({"folder": str(models_folder()), "models": records, "shipped": shipped})
        return
    print(f"folder: {models_folder()}")
    for weights in chosen:
        licence = weights.licence
        use = "commercial use allowed" if licence.commercial else "NOT for commercial use"
        print(
            f"\n{weights.name:<9} {weights.state()}: {weights.path.name}, {weights.size_bytes / 1e6:.1f} MB\n"
            f"          {weights.summary}\n"
            f"          for {weights.used_by}; licence {licence.name}, {use} ({licence.url})\n"
            f"          {weights.url}\n"
            f"          SHA-256 {weights.sha256}"
        )
    if shipped:
        print("\nships with pixelsmile, for photographs:")
    for name, source in shipped.items():
        size_mb = source["size_bytes"] / 1e6
        print(
            f"\n{name}: {size_mb:.1f} MB, {source['origin']}; licence {source['licence']}\n"
            f"          trained on {source['trained_on']}"
        )


def _fetch(options: argparse.Namespace) -> None:
    from pixelsmile.faces.weights import check_licence, fetch_weights

    if not options.names:
        raise InputError("name what to fetch: pixelsmile models list shows what there is")
    chosen = _named(options.names)
    for weights in chosen:  # all refusals come before the first byte
        check_licence(weights, options.accept_licence)
    if not sys.stderr.isatty():  # no bars where nobody watches
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
    paths = []
    for weights in chosen:
        path = weights.path if weights.state() == "ready" else fetch_weights(weights)
        paths.append(str(path))
        if not options.json:
            print(path)
    if options.json:
        print_json({"paths": paths})


def _named(names: Sequence[str]) -> "list[WeightFile]":
    """The files of those names, each once; InputError for an unknown one."""
    from pixelsmile.faces.weights import WEIGHTS

    for name in names:
        if name not in WEIGHTS:
            raise InputError(f"unknown model {name!r}: {nearest(name, WEIGHTS)}")
    return [WEIGHTS[name] for name in dict.fromkeys(names)]
