"""`pixelsmile models`: the weight files of others, what they allow, and fetching them."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.errors import InputError

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


def run(arguments: Sequence[str]) -> int:
    """List the files and their state, or download some of them."""
    options = _parser().parse_args(arguments)
    if options.action not in _ACTIONS:
        raise InputError(f"unknown action {options.action!r}: {nearest(options.action, _ACTIONS)}")
    if options.action == "list":
        _list(options)
    else:
        _fetch(options)
    return 0


def _parser() -> CommandParser:
    parser = CommandParser("models", "List or fetch the weights of face detectors and encoders.", _EPILOG)
    parser.add_argument("action", metavar="list|fetch", help="what to do")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (list: all of them)")
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="you have read the licence of weights that restrict their use, and keep to it",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _list(options: argparse.Namespace) -> None:
    from pixelsmile.embedded import photo_sources
    from pixelsmile.faces.weights import WEIGHTS, models_folder

    chosen = _named(options.names or list(WEIGHTS))
    if options.json:
        records = [_record(weights) for weights in chosen]
        shipped = {} if options.names else photo_sources()
        print(json.dumps({"folder": str(models_folder()), "models": records, "shipped": shipped}))
        return
    print(f"folder: {models_folder()}")
    for weights in chosen:
        use = "commercial use allowed" if weights.licence.commercial else "NOT for commercial use"
        print()
        print(f"{weights.name:<9} {weights.state()}: {weights.path.name}, {weights.size_bytes / 1e6:.1f} MB")
        print(f"          {weights.summary}")
        print(
            f"          for {weights.used_by}; licence {weights.licence.name}, {use} ({weights.licence.url})"
        )
        print(f"          {weights.url}")
        print(f"          SHA-256 {weights.sha256}")
    if not options.names:
        _print_shipped()


def _print_shipped() -> None:
    """The networks of others that come with pixelsmile: origin, licence, and what they were trained on."""
    from pixelsmile.embedded import photo_sources

    print()
    print("ships with pixelsmile, for photographs:")
    for name, source in photo_sources().items():
        print()
        print(f"{name}: {source['size_bytes'] / 1e6:.1f} MB, {source['origin']}; licence {source['licence']}")
        print(f"          trained on {source['trained_on']}")


def _fetch(options: argparse.Namespace) -> None:
    from pixelsmile.faces.weights import check_licence, fetch_weights

    if not options.names:
        raise InputError("name what to fetch: pixelsmile models list shows what there is")
    chosen = _named(options.names)
    for weights in chosen:  # all refusals come before the first byte
        check_licence(weights, options.accept_licence)
    paths = []
    _hide_progress()
    for weights in chosen:
        path = weights.path if weights.state() == "ready" else fetch_weights(weights)
        paths.append(str(path))
        if not options.json:
            print(path)
    if options.json:
        print(json.dumps({"paths": paths}))


def _named(names: Sequence[str]) -> "list[WeightFile]":
    """The files of those names, each once; InputError for an unknown one."""
    from pixelsmile.faces.weights import WEIGHTS

    for name in names:
        if name not in WEIGHTS:
            raise InputError(f"unknown model {name!r}: {nearest(name, WEIGHTS)}")
    return [WEIGHTS[name] for name in dict.fromkeys(names)]


def _record(weights: "WeightFile") -> dict[str, object]:
    return {**asdict(weights), "state": weights.state(), "path": str(weights.path), "url": weights.url}


def _hide_progress() -> None:
    """No bars where nobody watches."""
    if not sys.stderr.isatty():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
