"""Editors without a model through the embedded benchmark: does every metric move as it should?

    python perf/sanity.py [--samples 96] [--editors truth saturating jumping] [--out runs/sanity]

The drawn truth is the upper bound; copying is lazy; the others exaggerate, show the expression that is most
easily confused with the right one, a strength drawn by lot, all of it from half of the range on, or all of it
from a strength on that is drawn by lot for each face. Goes on where it was stopped.
"""

import argparse
from pathlib import Path

from counts import whole

from pixelsmile.cli import main as pixelsmile
from pixelsmile.editors.sanity import SANITY_EDITORS


def main() -> int:
    """Run, judge and report; the report's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=whole(), default=96, help="of both domains together")
    parser.add_argument("--editors", nargs="+", choices=SANITY_EDITORS, default=SANITY_EDITORS)
    parser.add_argument("--out", type=Path, default=Path("runs/sanity"))
    arguments = parser.parse_args()
    runs = {name: str(arguments.out / name) for name in arguments.editors}
    for name, run in runs.items():
        edits = ["--editor", name, "--samples", str(arguments.samples), "-o", run]
        for step in (["run", *edits], ["judge", run]):
            if code := pixelsmile(["bench", "ffe", *step]):
                return code
    page = str(arguments.out / "report.html")
    return pixelsmile(["bench", "ffe", "report", *runs.values(), "-o", page, "--force"])


if __name__ == "__main__":
    raise SystemExit(main())
