"""A data set's steps: rows a second with one process and with two, memory; and what a million rows cost.

    python perf/dataset.py CONFIG [--set KEY=VALUE] [--rows 200] [--price 0.04]
        [--write docs/dataset-measured.md]

CONFIG: drawn people under `collect.drawn`, of which so many are taken as make --rows pictures. Every step
is done in this process, in one other and in two. Hours are of a processor's time, which other programs on the
machine do not lengthen; the ratio of one to two is of the clock. What sees all rows at once, duplicates and
identities, is measured by itself, with a million random hashes and with --faces random embeddings: each is
compared with each, so that a million take a hundred times as long as 100,000. --write puts the tables in
place of the last ones of that file.
"""

import argparse
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from counts import real, whole

from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import BuildConfig, DrawnSource
from pixelsmile.dataset.duplicates import near_pairs
from pixelsmile.dataset.identities import alike
from pixelsmile.store.configuration import read_configuration

MILLION = 1_000_000
HASHES, MAX_DISTANCE = MILLION, 4
EMBEDDING_NUMBERS, LIMIT = 128, 0.94  # dlib's
KEY_BYTES = {"duplicates": 33, "identities": 8 + 8 + 2 * EMBEDDING_NUMBERS}  # a row, in memory
BEGIN, END = "<!-- perf/dataset.py begins -->", "<!-- perf/dataset.py ends -->"


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--rows", type=whole(), default=200)
    parser.add_argument("--faces", type=whole(), default=100_000)
    parser.add_argument("--price", type=real(), default=0.04, help="of an edit, in dollars")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    config = smaller(read_configuration(options.config, BuildConfig, options.set), options.rows)
    with tempfile.TemporaryDirectory() as folder:
        times = {num: timed(Path(folder) / str(num), config, num) for num in (0, 1, 2)}
        sizes = bytes_a_row(Path(folder) / "2", {step: rows for step, (rows, *_) in times[2].items()})
    lines = [*rates(times), "", *on_paper(times, sizes, options.faces, options.price)]
    text = "\n".join(lines)
    print(text)
    if options.write is not None:
        page = options.write.read_text()
        replaced = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)
        options.write.write_text(replaced)


def smaller(config: BuildConfig, rows: int) -> BuildConfig:
    """With so many people as make that many pictures before any edit, of all sources in equal shares."""
    drawn = config.collect.drawn
    share = max(1, rows // len(drawn))
    people = {name: some(source, share) for name, source in drawn.items()}
    return config.model_copy(update={"collect": config.collect.model_copy(update={"drawn": people})})


def some(source: DrawnSource, pictures: int) -> DrawnSource:
    return source.model_copy(update={"num_people": max(1, pictures // len(source.expressions))})


Times = dict[str, tuple[int, float, float]]


def timed(folder: Path, config: BuildConfig, num_workers: int) -> Times:
    """By step: rows that it looked at, seconds, and those of this process; with the start of networks."""
    found: Times = {}
    began, worked = time.perf_counter(), time.process_time()
    for event in build(folder, config, num_workers=num_workers):
        if event.manifest is not None:
            now, work = time.perf_counter(), time.process_time()
            found[event.step] = event.manifest.num_rows, now - began, work - worked
            began, worked = now, work
    return found


def bytes_a_row(folder: Path, rows: dict[str, int]) -> dict[str, float]:
    """By step: of its own files; `pictures`: of a picture."""
    found = {step: total_bytes(folder / step) / max(1, num) for step, num in rows.items()}
    pictures = [path.stat().st_size for path in (folder / "pictures").rglob("*") if path.is_file()]
    return {**found, "pictures": float(np.mean(pictures))}


def total_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rates(times: dict[int, Times]) -> Iterator[str]:
    yield "| step | rows | rows a second of a processor | by the clock, one process | two | ratio |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for step, (rows, seconds, _) in times[1].items():
        own, both = times[0][step][2], times[2][step][1]
        rates = f"{rows / own:,.1f} | {rows / seconds:,.1f} | {rows / both:,.1f} | {seconds / both:.2f}"
        yield f"| `{step}` | {rows:,} | {rates} |"
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    yield ""
    yield f"Peak memory: {own_mb():,.0f} MB here, {children:,.0f} MB in the largest of the processes."


def on_paper(times: dict[int, Times], sizes: dict[str, float], faces: int, price: float) -> Iterator[str]:
    """A million rows of each step, from what these ones took."""
    whole = {"duplicates": duplicates_s(), "identities": identities_s(faces) * (MILLION / faces) ** 2}
    yield "| a million rows | hours of one core | memory | disk |"
    yield "| --- | ---: | ---: | ---: |"
    for step, (rows, _, seconds) in times[0].items():
        hours = (seconds / rows * MILLION + whole.get(step, 0.0)) / 3600
        keys = f"{KEY_BYTES[step] * MILLION / 1e6:,.0f} MB of keys" if step in KEY_BYTES else "a shard"
        disk = sizes[step] * MILLION / 1e9
        yield f"| `{step}` | {hours:,.1f} | {keys} | {disk:,.1f} GB |"
    yield (
        f"\nA million pictures of this size are {sizes['pictures'] * MILLION / 1e9:,.0f} GB, their rows "
        f"2,000 shards of 500 a step. A million edits at ${price:g} a call cost ${price * MILLION:,.0f}. "
        f"Hours are of this machine; those of `identities` come from {faces:,} random embeddings, compared "
        "each with each, those of `duplicates` from a million random hashes."
    )


def duplicates_s() -> float:
    """Seconds that all near pairs of a million random hashes take."""
    hashes = np.random.default_rng(0).integers(0, 2**64, HASHES, np.uint64)
    began = time.process_time()
    for _ in near_pairs(hashes, MAX_DISTANCE):
        pass
    return (time.process_time() - began) * MILLION / HASHES


def identities_s(faces: int) -> float:
    """Seconds that comparing so many random embeddings takes, each with each."""
    vectors = np.random.default_rng(0).normal(size=(faces, EMBEDDING_NUMBERS)).astype(np.float16)
    began = time.process_time()
    for _ in alike(vectors, LIMIT):
        pass
    return time.process_time() - began


def own_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
