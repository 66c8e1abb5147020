"""The house in numbers: lines and files of each room, and how many of them a walk through it meets.

    python perf/house.py [--rooms] [--walks]

A walk is a command that is run here, small: from a strength to the sampler (one edit), from a line of
triplets to the loss (one step of training), from a sample of FFE-Bench to its score (one edit, judged).
Counted are the files whose functions are called on the way, in the rooms that the walk is about, and the
carriers: dataclasses, pydantic models and named tuples of these rooms of which an instance is made.
"""

import argparse
import contextlib
import importlib
import io
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pixelsmile

PACKAGE = Path(pixelsmile.__file__).parent
OUTSIDE = ("recipes", "tests", "perf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rooms", action="store_true", help="only lines and files")
    parser.add_argument("--walks", action="store_true", help="only the walks, with the files of each")
    options = parser.parse_args()
    if not options.walks:
        print_rooms()
    if not options.rooms:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for name, walk in WALKS.items():
                files, carriers = walked(walk)
                print(f"{name}: {len(files)} files, {len(carriers)} carriers")
                if options.walks:
                    print(*(f"    {name}" for name in (*sorted(files), *sorted(carriers))), sep="\n")


def print_rooms() -> None:
    rooms: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        rooms.setdefault(parts[0] if len(parts) > 1 else "(ground)", []).append(path)
    for name, paths in [*rooms.items(), ("package", sorted(PACKAGE.rglob("*.py")))]:
        print_size(name, paths)
    for name in OUTSIDE:
        print_size(name, sorted((PACKAGE.parents[1] / name).rglob("*.py")))


def print_size(name: str, paths: Sequence[Path]) -> None:
    lengths = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
    if lengths:
        print(
            f"{name:12} {sum(lengths):7,} lines {len(lengths):5} files, median {lengths[len(lengths) // 2]}"
        )


def edit() -> None:
    command("edit", "face.png", "-e", "happy", "-s", "1", "--steps", "1", "-o", "edits")


def train() -> None:
    command(
        *("train", "embedded", "-o", "run", "--set", "data.triplets=triplets/triplets.jsonl"),
        *(
            "--set",
            "run.num_steps=1",
            "--set",
            "optimiser.num_warmup_steps=0",
            "--set",
            "validation.every=null",
        ),
    )


def score() -> None:
    command("bench", "ffe", "run", "--samples", "1", "--steps", "1", "-o", "bench")
    command("bench", "ffe", "judge", "bench")


WALKS = {"strength to sampler": edit, "triplet line to loss": train, "sample to score": score}
# The rooms that each walk is about: what they call of others is not counted.
ROOMS = {
    edit: ("cli", "editing", "expressions"),
    train: ("cli", "training", "triplets"),
    score: ("cli", "benchmarks", "editors", "judges", "remote"),
}


def command(*arguments: str) -> None:
    cli = importlib.import_module("pixelsmile.cli")
    with contextlib.redirect_stdout(io.StringIO()):
        if code := cli.main(list(arguments)):
            raise SystemExit(f"pixelsmile {' '.join(arguments)} ended with {code}")


def walked(walk: Callable[[], None]) -> tuple[set[str], set[str]]:
    """The files (relative to the package) that `walk` runs through, and the carriers that it makes."""
    prepare(walk)
    files: set[str] = set()
    carriers: set[str] = set()

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        if (file := frame.f_code.co_filename).startswith(str(PACKAGE)):
            files.add(Path(file).relative_to(PACKAGE).as_posix())
        elif frame.f_code.co_name in ("__init__", "__new__", "_make"):
            carriers.update(carriers_of(frame))

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        walk()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    rooms = ROOMS[walk]
    return (
        {file for file in files if file.split("/")[0] in rooms},
        {carrier for carrier in carriers if carrier.split(".")[0] in rooms},
    )


def carriers_of(frame: FrameType) -> Iterator[str]:
    """The type that a generated `__init__` or `__new__` makes, where it is a carrier of ours."""
    first = frame.f_locals.get("self", frame.f_locals.get("_cls"))
    kind = first if isinstance(first, type) else type(first)
    is_carrier = is_dataclass(kind) or hasattr(kind, "model_fields") or hasattr(kind, "_fields")
    if kind.__module__.split(".")[0] == "pixelsmile" and is_carrier:
        yield f"{kind.__module__.removeprefix('pixelsmile.')}:{kind.__name__}"


def prepare(walk: Callable[[], None]) -> None:
    """What a walk begins with, made before it is watched; imports too."""
    if walk is edit:
        command("portrait", "--seed", "7", "-o", "face.png", "--size", "256")
    if walk is train:
        command("triplets", "draw", "-n", "1", "-o", "triplets", "--size", "128")


if __name__ == "__main__":
    main()
