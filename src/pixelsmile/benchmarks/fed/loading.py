"""From what a person names to FED-Bench, or to triplets of one's own."""

import os
from collections.abc import Sequence
from pathlib import Path

from pixelsmile.benchmarks.fed.hub import DOWNLOAD, HUB_NAME, read_fed_folder
from pixelsmile.benchmarks.fed.lines import read_triplet_lines
from pixelsmile.benchmarks.fed.triplets import GRANULARITIES, FedBenchmark, FedTriplet, Granularity
from pixelsmile.benchmarks.fed.triplets import checked_triplets as checked
from pixelsmile.benchmarks.selection import balanced_part
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain

EMBEDDED = "embedded"


def load_fed_benchmark(
    name_or_path: str,
    *,
    sources: Path | None = None,
    num_samples: int | None = None,
    domains: Sequence[Domain] | None = None,
    granularities: Sequence[Granularity] = GRANULARITIES,
) -> FedBenchmark:
    """`embedded`, a folder with FED-Bench as it is on the hub, or a file of JSON lines.

    sources: the user's folder of SFEW 2.0, for the hub's folder alone. num_samples: so many triplets in all;
    the first drawn ones, else balanced over domains and classes. domains: only these. granularities: of the
    instructions. InputError for anything else, and for a benchmark that is incomplete.
    """
    path = Path(name_or_path)
    is_folder = name_or_path != EMBEDDED and os.path.isdir(path)
    if sources is not None and not is_folder:
        raise InputError(
            f"sources are for the folder of {HUB_NAME}, not for {name_or_path!r}: leave them out"
        )
    if name_or_path == EMBEDDED:
        from pixelsmile.benchmarks.fed.drawn import DrawnFedBenchmark

        return DrawnFedBenchmark(num_samples, DOMAINS if domains is None else domains, granularities)
    if is_folder:
        triplets, name = read_fed_folder(path, sources), "fed-bench"
    elif os.path.isfile(path) and path.suffix.lower() != ".parquet":
        triplets, name = read_triplet_lines(path), path.stem
    else:
        raise InputError(
            f"there is no benchmark {name_or_path!r}: use {EMBEDDED!r}, a file of JSON lines, or the folder "
            f"of {HUB_NAME} (`{DOWNLOAD}`)"
        )
    origin = path.resolve().name
    part = balanced_part(triplets, _kind, num_samples, domains, "triplets")
    return FedBenchmark(name, origin, checked(part, origin), granularities)


def _kind(triplet: FedTriplet) -> tuple[Domain, str]:
    return triplet.domain, triplet.expression
