"""`pixelsmile bench fed bias`: does FED-Score rank what is known, and do single metrics?"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json, progress, remark
from pixelsmile.cli.options import (
    add_instructions,
    add_json,
    add_quiet,
    add_server,
    judge_options,
)
from pixelsmile.cli.parsing import CommandParser, whole_number

if TYPE_CHECKING:
    from pixelsmile.benchmarks.fed.bias import BiasProgress

_DEFAULT_SAMPLES = 60
_EPILOG = """nine editors whose order is known:
  truth                     the drawn ground truth
  half, copy                half of the change, and none (lazy)
  1.5x, 2x                  too much of it (overfit)
  wrong-expression          another one than was asked for
  other-person              the right one on another face
  shifted, blurred          the truth, moved or out of focus

examples:
  pixelsmile bench fed bias -o bias
  pixelsmile bench fed bias --samples 240 --instructions dense -o bias-dense
  pixelsmile bench fed bias --judge openai:my-model@http://localhost:8000/v1 \\
      --samples 30 -o bias-mine

The same command again does what is left, and asks once more where there was no answer. In the folder: a run
for each editor, bias.json and the page bias.html; `pixelsmile bench fed report` reads the runs.
"""


def parser() -> CommandParser:
    """The options."""
    summary = "Test FED-Score and single metrics on edits whose order is known."
    parser = CommandParser("bench fed bias", summary, run, _EPILOG)
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="of the test")
    parser.add_argument(
        "--judge", default="embedded", metavar="JUDGE", help="who judges, as in `bench fed judge` (embedded)"
    )
    parser.add_argument(
        "--samples",
        type=whole_number("samples", 1),
        default=_DEFAULT_SAMPLES,
        metavar="N",
        help=f"drawn triplets (default {_DEFAULT_SAMPLES})",
    )
    add_instructions(parser)
    add_json(parser, "the tables")
    add_quiet(parser)
    add_server(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Do what the folder lacks, write bias.json and bias.html, print the tables; exit code 1 for a rest."""
    settings = judge_options(options, [options.judge])
    from pixelsmile.benchmarks.fed.bias import load_bias, run_bias
    from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
    from pixelsmile.benchmarks.report.bias import bias_lines, bias_page
    from pixelsmile.benchmarks.scorers.judged import MarkersRecord
    from pixelsmile.editors.editor import GRANULARITIES
    from pixelsmile.embedded import features_path
    from pixelsmile.faces.likeness import EMBEDDED, open_meter
    from pixelsmile.features.drawn import DrawnEncoder
    from pixelsmile.judges.names import parse_judge, parse_markers
    from pixelsmile.store.publication import staged

    asked = GRANULARITIES if options.instructions == "both" else (options.instructions,)
    benchmark = drawn_fed_benchmark(options.samples, granularities=asked)
    folder, markers = Path(options.output), parse_markers(options.judge, settings)
    events = run_bias(
        folder,
        benchmark,
        markers,
        judge=parse_judge(options.judge, settings),
        meter=open_meter([EMBEDDED], drawn=True),
        encoder=DrawnEncoder.from_folder(features_path()),
        max_concurrency=options.max_concurrency,
    )
    _show(events, options.quiet)
    found = load_bias(folder, MarkersRecord.of(markers, None).id)
    text = json.dumps(found.as_json(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with staged(folder, ["bias.json", "bias.html"], force=True) as stage:
        stage.write("bias.json", text.encode())
        stage.write("bias.html", bias_page(found).encode())
    if options.json:
        print_json(found.as_json())
    else:
        print("\n".join([*bias_lines(found), "", str(folder / "bias.json"), str(folder / "bias.html")]))
    if found.num_unjudged:
        remark(
            f"{found.num_unjudged} edits are not judged: the same command with a larger budget does the rest"
        )
    return 1 if found.num_unjudged else 0


def _show(events: "Iterator[BiasProgress]", quiet: bool) -> None:
    """Run `events` to their end, with a bar for each step where a person watches."""
    with progress(quiet, "", unit="") as show:
        for event in events:
            show(event.num_done, event.num_all, what=f"{event.editor}: {event.what}")
