"""`pixelsmile models`: the weights of others, bases and adapters too: listed, fetched, found to be whole."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import print_json
from pixelsmile.cli.options import add_json
from pixelsmile.cli.parsing import CommandParser, nearest
from pixelsmile.errors import InputError

if TYPE_CHECKING:
    from pixelsmile.faces.weights import WeightFile
    from pixelsmile.store.hub import Licence, Repository

    Entry = WeightFile | Repository

_ACTIONS = ("list", "fetch", "check")
_INDENT = " " * 10
_EPILOG = """examples:
  pixelsmile models list
  pixelsmile models fetch qwen-image-edit-2511 pixelsmile
  pixelsmile models fetch scrfd --accept-licence
  pixelsmile models check

Bases, adapters and CLIP lie in the hub's cache ($HF_HOME), at the commit that the list names; a download
that was cut off goes on with the same command. Files of detectors and encoders lie in $PIXELSMILE_MODELS, or
in the user's cache folder. Those at the end of the list ship with pixelsmile. `check` reads every byte of
what is here: exit code 1 where something is damaged or not whole.
"""


def parser() -> CommandParser:
    """The options."""
    summary = "List, fetch or check the weights of others: bases, adapters, face detectors, encoders."
    parser = CommandParser("models", summary, run, _EPILOG)
    parser.add_argument("action", metavar="list|fetch|check", help="what to do")
    parser.add_argument(
        "names", nargs="*", default=[], metavar="NAME", help="which ones (list, check: all of them)"
    )
    parser.add_argument(
        "--revision",
        metavar="REV",
        help="fetch: another commit, tag or branch of a repository than the list's",
    )
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="fetch: you have read the licence of weights that restrict their use, and keep to it",
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """List the weights and their state, download some of them, or read those that are here."""
    if options.action not in _ACTIONS:
        raise InputError(f"unknown action {options.action!r}: {nearest(options.action, _ACTIONS)}")
    if options.revision is not None and options.action != "fetch":
        raise InputError(f"--revision is for fetch, not for {options.action}: leave it out")
    if options.accept_licence and options.action != "fetch":
        raise InputError(f"--accept-licence is for fetch, not for {options.action}: leave it out")
    match options.action:
        case "list":
            _list(options)
        case "fetch":
            _fetch(options)
        case "check":
            return _check(options)
    return 0


def names() -> Sequence[str]:
    """Of all weights that are listed."""
    from pixelsmile.faces.weights import WEIGHTS
    from pixelsmile.store.hub import REPOSITORIES

    return (*REPOSITORIES, *WEIGHTS)


def _list(options: argparse.Namespace) -> None:
    from pixelsmile.embedded import photo_sources
    from pixelsmile.faces.weights import models_folder

    chosen = _named(options.names or names())
    shipped = {} if options.names else photo_sources()
    if options.json:
        records = [_record(entry) for entry in chosen]
        print_json({"folder": str(models_folder()), "models": records, "shipped": shipped})
        return
    print(f"folder: {models_folder()}")
    for entry in chosen:
        print("\n" + "\n".join(_lines(entry)))
    if shipped:
        print("\nships with pixelsmile, for photographs:")
    for name, source in shipped.items():
        size_mb = source["size_bytes"] / 1e6
        print(
            f"\n{name}: {size_mb:.1f} MB, {source['origin']}; licence {source['licence']}\n"
            f"{_INDENT}trained on {source['trained_on']}"
        )


def _record(entry: "Entry") -> dict[str, Any]:
    path = _place(entry)
    return {**asdict(entry), "state": _state(entry), "path": path, "url": entry.url}


def _state(entry: "Entry") -> str:
    """As the entry tells; a base whose files are not known here is whole where it could be loaded."""
    from pixelsmile.editing.folders import named_family
    from pixelsmile.editing.model_choice import is_downloaded
    from pixelsmile.store.hub import Repository

    state = entry.state()
    if state == "ready" and isinstance(entry, Repository) and not entry.files:
        is_base = named_family(entry.repository) is not None
        return "incomplete" if is_base and not is_downloaded(entry.repository) else state
    return state


def _place(entry: "Entry") -> str | None:
    """Where it lies, or a file should."""
    from pixelsmile.store.hub import Repository

    if isinstance(entry, Repository):
        folder = entry.folder()
        return None if folder is None else str(folder)
    return str(entry.path)


def _within(entry: "WeightFile") -> str:
    """Its place in the models folder."""
    from pixelsmile.faces.weights import models_folder

    return entry.path.relative_to(models_folder()).as_posix()


def _lines(entry: "Entry") -> Iterator[str]:
    from pixelsmile.store.hub import Repository

    if isinstance(entry, Repository):
        size = _size(entry.size_bytes) if entry.files else "no size or checksum is known here"
        pinned = "" if entry.is_pinned else "not pinned: "
        yield f"{entry.name:<9} {_state(entry)}: {entry.repository}, {pinned}{size}"
    else:
        yield f"{entry.name:<9} {entry.state()}: {_within(entry)}, {_size(entry.size_bytes)}"
    yield f"{_INDENT}{entry.summary}"
    yield f"{_INDENT}for {entry.used_by}; licence {_terms(entry.licence)}"
    yield f"{_INDENT}{entry.url}"
    if not isinstance(entry, Repository):
        yield f"{_INDENT}SHA-256 {entry.sha256}"
    elif not entry.is_pinned:
        yield f"{_INDENT}its commit is not known here: what {entry.revision} is now is fetched, and recorded"
    elif (folder := entry.folder()) is not None:
        yield f"{_INDENT}in {folder}"


def _terms(licence: "Licence") -> str:
    use = "commercial use allowed" if licence.commercial else "NOT for commercial use"
    return f"{licence.name}, {use} ({licence.url})"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"


def _fetch(options: argparse.Namespace) -> None:
    from pixelsmile.faces.weights import check_licence

    if not options.names:
        raise InputError("name what to fetch: pixelsmile models list shows what there is")
    chosen = _named(options.names)
    _check_revision(options, chosen)
    for entry in chosen:  # all refusals come before the first byte
        check_licence(entry, options.accept_licence)
    if not sys.stderr.isatty():  # no bars where nobody watches
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
    paths = []
    for entry in chosen:
        paths.append(_fetched(entry, options.revision))
        if not options.json:
            print(paths[-1])
    if options.json:
        print_json({"paths": paths})


def _check_revision(options: argparse.Namespace, chosen: "Sequence[Entry]") -> None:
    from pixelsmile.store.hub import Repository, check_revision

    if options.revision is None:
        return
    check_revision(options.revision)
    files = [entry.name for entry in chosen if not isinstance(entry, Repository)]
    if files or len(chosen) > 1:
        raise InputError(
            f"--revision is for one repository, not for {', '.join(files or options.names)}: name one"
        )


def _fetched(entry: "Entry", revision: str | None) -> str:
    from pixelsmile.faces.weights import fetch_weights
    from pixelsmile.store.hub import Repository

    if isinstance(entry, Repository):
        return str(entry.fetch(revision))
    return str(entry.path if entry.state() == "ready" else fetch_weights(entry))


def _check(options: argparse.Namespace) -> int:
    """Print the state of each file that is here, or that was named; exit code 1 where one is not whole."""
    chosen = _named(options.names or names())
    if not options.names:
        chosen = [entry for entry in chosen if entry.state() != "absent"]
    records = [record for entry in chosen for record in _checked(entry)]
    if options.json:
        print_json({"files": records})
    elif not records:
        print("none of the listed weights is here: pixelsmile models list shows what there is")
    for record in () if options.json else records:
        print(f"{record['state']:<10} {record['name']} {record['file']}")
    return 1 if any(record["state"] not in ("ready", "present") for record in records) else 0


def _checked(entry: "Entry") -> Iterator[dict[str, str]]:
    """Of each file its state; `present`: it is here, and what it should be is not known."""
    from pixelsmile.store.hub import Repository

    if not isinstance(entry, Repository):
        yield {"name": entry.name, "file": _within(entry), "state": entry.state()}
        return
    if not entry.files:
        state = _state(entry)
        yield {
            "name": entry.name,
            "file": f"{entry.repository} (no checksums are known here)",
            "state": "present" if state == "ready" else state,
        }
    for file, state in entry.check():
        yield {"name": entry.name, "file": file.path, "state": state}


def _named(names_: Sequence[str]) -> "list[Entry]":
    """The entries of those names, each once; InputError for an unknown one."""
    from pixelsmile.faces.weights import WEIGHTS
    from pixelsmile.store.hub import REPOSITORIES

    known: dict[str, Entry] = {**REPOSITORIES, **WEIGHTS}
    for name in names_:
        if name not in known:
            raise InputError(f"unknown model {name!r}: {nearest(name, known)}")
    return [known[name] for name in dict.fromkeys(names_)]
