"""Where the limits of `annotate` cut: drawn edits whose truth is known, with their labels and wrong ones.

    python perf/doubts.py limits --num-people 20
    python perf/doubts.py test --num-people 20

builds a data set of drawn people by the steps themselves (combinations of the library at four strengths, the
drawn truth as editor). `limits` prints of each number that is compared with a limit: its distribution on
clean edits, the limit that 5 of 100 of them miss, and how many edits miss it that are called another
expression. `test` takes people whom no limit was set on, and counts who is doubted with the limits that
stand.
"""

import argparse
import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from counts import whole
from screens import share

from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.doubts import doubt_checks, doubts
from pixelsmile.dataset.edit_config import AnnotateSettings
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.expressions import EXPRESSIONS

FIRST_LIMITS, FIRST_TEST = 27_500_000, 31_000_000  # seeds of people that nothing else draws
_GROUPS = ("lead", "strength", "neutral", "both", "confidence")


def annotated(folder: Path, first: int, num_people: int, workers: int) -> list[Row]:
    """Drawn people of both domains at rest, their edits, and what the embedded judge says of each."""
    sources = {
        domain: {"domain": domain, "num_people": num_people, "first_seed": first + start}
        for domain, start in (("human", 0), ("anime", 100_000))
    }
    config = BuildConfig.model_validate(
        {
            "collect": {"drawn": sources},
            "duplicates": {"max_distance": None},
            "compose": {"expressions": {}},
            "generate": {"editor": "truth"},
            "annotate": {},
        }
    )
    for _ in build(folder, config, num_workers=workers):
        pass
    return list(StepFolder(folder / "annotate").all_rows())


def measured(rows: Iterable[Row]) -> dict[str, list[float]]:
    """By what is compared: the numbers, the larger the more doubtful."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for one in doubt_checks(row, None, AnnotateSettings()):
            group = next(group for group in _GROUPS if _is_of(group, one.what))
            number = one.measured or 0.0
            found[group].append(1 - number if one.is_least else number)
    return found


def _is_of(group: str, words: str) -> bool:
    named = {"strength": " against ", "neutral": " of a neutral face"}.get(group)
    return named in words if named is not None else words.startswith(group)


def mislabelled(rows: Iterable[Row]) -> list[Row]:
    """The same edits under another expression each."""
    rng = random.Random(0)
    return [
        row.updated(expression=rng.choice([name for name in EXPRESSIONS if name != row.expression]))
        for row in rows
    ]


def tell_limits(rows: Sequence[Row]) -> None:
    """Of each number its distribution, and how many mislabelled edits lie beyond the 95th percentile."""
    wrong = measured(mislabelled(row for row in rows if row.base is not None))
    print("median, 95 %, 99 %, most; mislabelled")
    for group, numbers in sorted(measured(rows).items()):
        cuts = np.quantile(numbers, (0.5, 0.95, 0.99, 1))
        beyond = np.mean(np.array(wrong.get(group, [np.nan])) > cuts[1])
        print(f"{group:<12}" + "".join(f"{cut:8.3f}" for cut in cuts) + f"{beyond:10.2f} beyond the 95 %")


def tell_test(rows: Sequence[Row]) -> None:
    """How many are doubted for what, as they are and under another label."""
    edits = [row for row in rows if row.base is not None]
    for name, some in (("clean", rows), ("mislabelled", mislabelled(edits))):
        counted: dict[str, int] = defaultdict(int)
        for row in some:
            found = doubts(row, None, AnnotateSettings())
            for doubt in (*found, *(["any"] if found else [])):
                counted[doubt] += 1
        shares = "; ".join(f"{doubt} {share(number, len(some))}" for doubt, number in sorted(counted.items()))
        print(f"doubted of {len(some)} {name}: {shares or 'none'}")


def main() -> None:
    """Build, and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("limits", "test"))
    parser.add_argument("--num-people", type=whole(), default=20, help="of each domain")
    parser.add_argument("--folder", help="keep the data set here")
    parser.add_argument("--workers", type=whole(0), default=os.cpu_count() or 1)
    options = parser.parse_args()
    first = FIRST_TEST if options.what == "test" else FIRST_LIMITS
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.folder or scratch) / "people"
        rows = annotated(folder, first, options.num_people, options.workers)
    print(f"{len(rows)} pictures of {len({row.identity_seed for row in rows})} people")
    if options.what == "test":
        tell_test(rows)
    else:
        tell_limits(rows)


if __name__ == "__main__":
    main()
