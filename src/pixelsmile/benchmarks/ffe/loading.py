"""From what a person names to a benchmark."""

import os
from collections.abc import Sequence
from pathlib import Path

from pixelsmile.benchmarks.ffe.hub import DOWNLOAD, HUB_NAME, read_hub_folder
from pixelsmile.benchmarks.ffe.lines import read_task_lines
from pixelsmile.benchmarks.ffe.photographs import PhotographBenchmark, select
from pixelsmile.benchmarks.tasks import Benchmark
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain

EMBEDDED = "embedded"


def load_benchmark(
    name_or_path: str, *, num_samples: int | None = None, domains: Sequence[Domain] | None = None
) -> Benchmark:
    """`embedded`, a folder with FFE-Bench as it is on the hub, or a file of JSON lines.

    num_samples: so many tasks in all, balanced over domains and targets. domains: only these.
    InputError for anything else, and for a benchmark that is incomplete.
    """
    if name_or_path == EMBEDDED:
        from pixelsmile.benchmarks.ffe.drawn import DrawnBenchmark

        return DrawnBenchmark(num_samples, DOMAINS if domains is None else domains)
    path = Path(name_or_path)
    if os.path.isdir(path):
        samples, name = read_hub_folder(path), "ffe-bench"
    elif os.path.isfile(path):
        samples, name = read_task_lines(path), path.stem
    else:
        raise InputError(
            f"there is no benchmark {name_or_path!r}: use {EMBEDDED!r}, a file of JSON lines, or the folder "
            f"of {HUB_NAME} (`{DOWNLOAD}`)"
        )
    return PhotographBenchmark(name, path.resolve().name, select(samples, num_samples, domains))
