"""`pixelsmile dataset export` and `validate`: the forms that others read, and whether a data set is whole."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.display import counted, print_json, progress, remark
from pixelsmile.cli.options import add_force, add_json, add_quiet, add_seed
from pixelsmile.cli.parsing import CommandParser, one_of
from pixelsmile.dataset.export import FORMATS

if TYPE_CHECKING:
    from pixelsmile.dataset.export.export import Exported

_EXPORT_EPILOG = """examples:
  pixelsmile dataset export people -o people-parquet --splits train=.9,val=.05,test=.05
  pixelsmile dataset export people -o people-triplets --format triplets
  pixelsmile dataset export people -o mine --format fed
  pixelsmile dataset export people -o out --push me/people

  parquet      what datasets.load_dataset reads, the pictures in it
  webdataset   tar files
  triplets     JSON lines for `pixelsmile train`, and the pictures
  preferences  JSON lines: a base, a prompt, the edit that was kept and the near miss
  ffe, fed     a benchmark for `pixelsmile bench`

What the last finished step has left is written, with a card (README.md), figures and Croissant metadata. No
person is in two splits. --push uploads it to the Hugging Face hub (HF_ENDPOINT, HF_TOKEN), as a private data
set where there is none yet.
"""
_VALIDATE_EPILOG = """examples:
  pixelsmile dataset validate people
  pixelsmile dataset validate people-parquet

Each fault is a line; the exit code is 1 where there is one.
"""


def export_parser() -> CommandParser:
    """The options of `dataset export`."""
    summary = "Write a data set in a form that others read, with a card."
    parser = CommandParser("dataset export", summary, _export, _EXPORT_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the folder to write")
    parser.add_argument(
        "--format",
        type=one_of("format", FORMATS),
        default="parquet",
        metavar="FORM",
        help=f"{', '.join(FORMATS)} (default parquet)",
    )
    parser.add_argument(
        "--splits",
        metavar="NAME=SHARE,...",
        help="such as train=.9,val=.05,test=.05 (default: one, train or for a benchmark test)",
    )
    add_seed(parser, "of who is in which split")
    parser.add_argument("--push", metavar="OWNER/NAME", help="upload it to this data set of the hub")
    add_force(parser, "an export that exists")
    add_json(parser)
    add_quiet(parser)
    return parser


def validate_parser() -> CommandParser:
    """The options of `dataset validate`."""
    summary = "Say whether a data set or an export of one is whole."
    parser = CommandParser("dataset validate", summary, _validate, _VALIDATE_EPILOG)
    parser.add_argument("folder", metavar="FOLDER", help="a data set, or what `dataset export` wrote")
    add_json(parser)
    add_quiet(parser)
    return parser


def _export(options: argparse.Namespace) -> int:
    from pixelsmile.dataset.export.export import ExportSettings, export
    from pixelsmile.dataset.export.push import check_login, push
    from pixelsmile.dataset.export.splits import parse_splits

    if options.push is not None:
        check_login(options.push)
    splits = None if options.splits is None else parse_splits(options.splits)
    settings = ExportSettings(options.format, splits, options.seed, options.push)
    exported = None
    with progress(options.quiet, "counting", "rows") as show:
        for event in export(Path(options.folder), Path(options.output), settings, force=options.force):
            show(event.done, event.total, what=event.what)
            exported = event.exported
    assert exported is not None
    address = None
    if options.push is not None:
        remark(f"pushing {options.output} to {options.push}", options.quiet)
        address = push(exported.out, options.push)
    if options.json:
        print_json(_record(exported) | {"pushed_to": address})
        return 0
    _print(exported, address)
    return 0


def _record(exported: "Exported") -> dict[str, Any]:
    written = exported.written
    return {
        "folder": str(exported.out),
        "unit": written.unit,
        "counts": dict(written.counts),
        "people": dict(exported.num_people),
        "left_out": dict(written.left_out),
    }


def _print(exported: "Exported", address: str | None) -> None:
    from pixelsmile.dataset.export.form import split_of

    written = exported.written
    for split, number in written.counts.items():
        people = exported.num_people[split_of(split)]
        of = f" ({counted(people, 'person', 'people')} in the split)" if people else ""
        print(f"{split}: {counted(number, written.unit)}{of}")
    for reason, number in written.left_out.items():
        print(f"left out: {number:,} {reason}")
    print(address or f"next: pixelsmile dataset validate {shlex.quote(str(exported.out))}")


def _validate(options: argparse.Namespace) -> int:
    from collections import Counter

    from pixelsmile.dataset.export.validate import faults

    looked, found = Counter[str](), list[str]()
    with progress(options.quiet, "looking", "things") as show:
        for one in faults(Path(options.folder)):
            if one.fault is None:
                looked[one.what] += 1
            elif options.json:
                found.append(one.fault)
            else:
                found.append("")
                print(one.fault)
            show(looked.total(), None)
    if options.json:
        print_json({"folder": options.folder, "looked_at": dict(looked), "faults": found})
    else:
        words = ", ".join(counted(number, what) for what, number in looked.items())
        print(f"{counted(len(found), 'fault')}; whole: {words or 'nothing'}")
    return 1 if found else 0
