"""From what a person names to a benchmark: the embedded one, a folder from the hub, or lines of one's own."""

import os
from collections.abc import Sequence
from pathlib import Path

from pixelsmile.benchmarks.benchmark import Benchmark, Kind, balanced_part, portraits_of
from pixelsmile.benchmarks.fed import drawn as fed_drawn
from pixelsmile.benchmarks.fed import hub as fed_hub
from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.fed.triplets import FedTriplet, checked_triplets, fed_benchmark
from pixelsmile.benchmarks.ffe import drawn as ffe_drawn
from pixelsmile.benchmarks.ffe import hub as ffe_hub
from pixelsmile.benchmarks.ffe.drawn import drawn_ffe_benchmark
from pixelsmile.benchmarks.ffe.tasks import ffe_benchmark
from pixelsmile.benchmarks.lines import read_task_lines, read_triplet_lines
from pixelsmile.benchmarks.run_folder import Spec, TaskRecord
from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.editor import (
    GRANULARITIES,
    Granularity,
    Task,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.limits import MAX_FILE_BYTES, read_json_object, shown
from pixelsmile.store.manifests import MANIFEST_NAME

EMBEDDED = "embedded"


def load_ffe_benchmark(
    name_or_path: str, *, num_samples: int | None = None, domains: Sequence[Domain] | None = None
) -> Benchmark:
    """`embedded`, a folder with FFE-Bench as it is on the hub, or a file of JSON lines.

    num_samples: so many tasks in all, balanced over domains and targets. domains: only these.
    InputError for anything else, and for a benchmark that is incomplete.
    """
    if name_or_path == EMBEDDED:
        return drawn_ffe_benchmark(num_samples, DOMAINS if domains is None else domains)

    def kind(task: Task) -> Kind:
        return task.domain, task.target

    path = _benchmark_of(Path(name_or_path))
    if _is_lines(path, f"{ffe_hub.HUB_NAME} (`{ffe_hub.DOWNLOAD}`)"):
        tasks, name = read_task_lines(path), path.stem
    else:
        tasks, name = ffe_hub.read_hub_folder(path), "ffe-bench"
    part = balanced_part(tasks, kind, num_samples, domains, "tasks")
    return ffe_benchmark(name, path.resolve().name, part)


def load_fed_benchmark(
    name_or_path: str,
    *,
    sources: Path | None = None,
    num_samples: int | None = None,
    domains: Sequence[Domain] | None = None,
    granularities: Sequence[Granularity] = GRANULARITIES,
) -> Benchmark:
    """`embedded`, a folder with FED-Bench as it is on the hub, or a file of JSON lines.

    sources: the user's folder of SFEW 2.0, for the hub's folder alone. num_samples: so many triplets in all;
    the first drawn ones, else balanced over domains and classes. domains: only these. granularities: of the
    instructions. InputError for anything else, and for a benchmark that is incomplete.
    """
    path = _benchmark_of(Path(name_or_path))
    if sources is not None and (name_or_path == EMBEDDED or not os.path.isdir(path)):
        raise InputError(
            f"sources are for the folder of {fed_hub.HUB_NAME}, not for {name_or_path!r}: leave them out"
        )
    if name_or_path == EMBEDDED:
        return drawn_fed_benchmark(num_samples, DOMAINS if domains is None else domains, granularities)

    def kind(triplet: FedTriplet) -> Kind:
        return triplet.domain, triplet.expression

    if _is_lines(path, f"{fed_hub.HUB_NAME} (`{fed_hub.DOWNLOAD}`)"):
        triplets, name = read_triplet_lines(path), path.stem
    else:
        triplets, name = fed_hub.read_hub_folder(path, sources), "fed-bench"
    part = balanced_part(triplets, kind, num_samples, domains, "triplets")
    origin = path.resolve().name
    return fed_benchmark(name, origin, checked_triplets(part, origin), granularities)


def drawn_portraits(spec: Spec) -> dict[str, DrawnPortrait]:
    """The drawn portrait that each source of a run of the embedded benchmarks is; empty for other benchmarks.

    Found by drawing lots for the same benchmark again: runs of any age have it.
    """
    name, num = str(spec.benchmark.get("name", "")), len({task.sample for task in _all_tasks(spec)})
    domains = [domain for domain in DOMAINS if any(task.domain == domain for task in _all_tasks(spec))]
    if name == ffe_drawn.VERSION:
        return portraits_of(drawn_ffe_benchmark(num, domains))
    return portraits_of(drawn_fed_benchmark(num, domains)) if name == fed_drawn.VERSION else {}


def _all_tasks(spec: Spec) -> tuple[TaskRecord, ...]:
    return (*spec.tasks, *spec.without_instruction)


def _benchmark_of(path: Path) -> Path:
    """Where the benchmark lies: of what `dataset export` wrote, in the folder of its only split.

    InputError where it has several, and where it is no benchmark.
    """
    manifest = path / MANIFEST_NAME
    if not os.path.isfile(manifest):
        return path
    made = read_json_object(manifest, max_bytes=MAX_FILE_BYTES)
    if made.get("kind") != "dataset-export":
        return path
    settings = made.get("settings")
    given = settings if isinstance(settings, dict) else {}
    if given.get("format") not in ("ffe", "fed"):
        raise InputError(
            f"{str(path)!r} is an export as {shown(given.get('format'))}, no benchmark: pixelsmile dataset "
            "export --format ffe or fed writes one"
        )
    splits = [str(path / str(name)) for name in given.get("splits") or ()]
    if len(splits) != 1:
        raise InputError(f"{str(path)!r} has several benchmarks: name one of {', '.join(splits)}")
    return Path(splits[0])


def _is_lines(path: Path, published: str) -> bool:
    """Whether it is a file of lines, not a folder; InputError for what is neither."""
    if os.path.isdir(path):
        return False
    if os.path.isfile(path) and path.suffix.lower() != ".parquet":
        return True
    raise InputError(
        f"there is no benchmark {str(path)!r}: use {EMBEDDED!r}, a file of JSON lines, or the folder of "
        f"{published}"
    )
