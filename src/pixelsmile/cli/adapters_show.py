"""`pixelsmile adapters show`: what adapter files hold, and what is wrong with them."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import AdapterError, one_line

if TYPE_CHECKING:
    from pixelsmile.editing.adapters.files import AdapterFile
    from pixelsmile.editing.adapters.updates import Numbers

_LARGEST_TRAINED = 1e4  # factors are near 1, DoRA magnitudes in the tens
_EPILOG = """examples:
  pixelsmile adapters show smile.safetensors
  pixelsmile adapters show runs/first owner/repository other.safetensors --json

Any adapter file, folder with one, or hub id. All its numbers are read, and found finite or not; whether it
fits a model is seen where it is used. The exit code is 2 where a file cannot be used.
"""


def run(options: argparse.Namespace) -> int:
    """Describe every adapter on stdout, its faults on stderr; exit code 2 where there are any."""
    records = [_record(source) for source in options.adapters]
    if options.json:
        print(json.dumps({"adapters": records}))
    for number, record in enumerate(records):
        if not options.json and "format" in record:
            print("\n".join([""] * (number > 0) + list(_lines(record))))
        if "fault" in record:
            print(f"pixelsmile: {record['fault']}", file=sys.stderr)
    return AdapterError.exit_code if any("fault" in record for record in records) else 0


def _record(source: str) -> dict[str, Any]:
    from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
    from pixelsmile.editing.adapters.updates import check_numbers

    try:
        file = find_adapter(AdapterSpec(source))
    except AdapterError as error:
        return {"adapter": source, "fault": str(error)}
    record = {"adapter": source, **_described(file)}
    try:
        numbers = check_numbers(file)
    except AdapterError as error:
        return {**record, "fault": str(error)}
    if numbers.largest > _LARGEST_TRAINED:
        record["notes"] = [*record["notes"], _too_large(numbers)]
    return {**record, "scalings": sorted(set(numbers.scalings.values()))}


def _too_large(numbers: "Numbers") -> str:
    return (
        f"its numbers go up to {numbers.largest:.3g} ({numbers.layer}), which no training gives: edits "
        "with it are likely to be refused"
    )


def _described(file: "AdapterFile") -> dict[str, Any]:
    """What the header says."""
    from pixelsmile.hashing import sha256_file

    layers = file.contents.layers
    return {
        "file": str(file.path),
        "bytes": file.path.stat().st_size,
        "sha256": sha256_file(file.path),
        "method": file.contents.method,
        "format": file.contents.tool,
        "layers": sorted(layers),
        "ranks": sorted({layer.rank for layer in layers.values() if layer.rank is not None}),
        "alpha": file.alphas.source,
        "dtypes": list(file.contents.dtypes),
        "base": file.base,
        "notes": list(file.notes),
    }


def _lines(record: dict[str, Any]) -> Iterator[str]:
    first, last = record["layers"][0], record["layers"][-1]
    rows = {
        "adapter": record["adapter"],
        "file": f"{record['file']} ({record['bytes'] / 1e6:.1f} MB, SHA-256 {record['sha256'][:12]}...)",
        "format": f"{record['method']}, {_naming(record['format'])}",
        "layers": f"{len(record['layers'])}, from {first} to {last}",
        "rank": ", ".join(map(str, record["ranks"])) or "none: whole factors",
        "alpha": record["alpha"] or "not stated",
        "numbers": ", ".join(record["dtypes"]) + (", all finite" if "scalings" in record else ""),
        "base": record["base"] or "not stated",
    }
    if "scalings" in record:
        rows["scale"] = ", ".join(f"{scaling:g}" for scaling in record["scalings"][:6]) + (
            ", ..." if len(record["scalings"]) > 6 else ""
        )
    yield from (f"{name:<8} {one_line(text)}" for name, text in rows.items())
    yield from (f"note     {one_line(note)}" for note in record["notes"])


def _naming(tool: str) -> str:
    from pixelsmile.editing.adapters.formats import BARE

    return tool if tool == BARE else f"names of {tool}"


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("adapters show", "Say what adapter files hold.", run, _EPILOG)
    parser.add_argument("adapters", nargs="+", metavar="ADAPTER", help="file, folder or hub id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
