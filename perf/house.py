"""The house in numbers: lines and files of each room, and how many of them a walk through it meets.

    python perf/house.py [--rooms] [--walks] [--draw docs/house.svg]

A walk is a command that is run here, small: from a strength to the sampler (one edit), from a line of
triplets to the loss (one step of training), from a sample of FFE-Bench to its score (one edit, judged).
Counted are the files whose functions are called on the way, in the rooms that the walk is about, and the
carriers: dataclasses, pydantic models and named tuples of these rooms of which an instance is made.
"""

import argparse
import ast
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

GROUND = "ground"
PACKAGE = Path(pixelsmile.__file__).parent
OUTSIDE = ("recipes", "tests", "perf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rooms", action="store_true", help="only lines and files")
    parser.add_argument("--walks", action="store_true", help="only the walks, with the files of each")
    parser.add_argument("--draw", type=Path, metavar="SVG", help="only the picture of docs/architecture.md")
    options = parser.parse_args()
    if options.draw:
        options.draw.write_text(drawn(), encoding="utf-8")
        return
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
    for room in sorted(rooms_imported()):
        print_size(room, files_of(room))
    print_size("package", sorted(PACKAGE.rglob("*.py")))
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
        file = frame.f_code.co_filename
        if file.startswith(str(PACKAGE)):
            if (name := Path(file).relative_to(PACKAGE).as_posix()) not in files and not is_imported(frame):
                files.add(name)
        elif frame.f_code.co_name in ("__init__", "__new__", "_make") and not is_imported(frame):
            carriers.update(carriers_of(frame))

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        walk()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    rooms = ROOMS[walk]
    return (
        {file for file in files if file.split("/")[0] in rooms},
        {carrier for carrier in carriers if carrier.split(".")[0] in rooms},
    )


def is_imported(frame: FrameType | None) -> bool:
    """Whether it runs because a file is imported: one that is imported and not used is not on the way."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def carriers_of(frame: FrameType) -> Iterator[str]:
    """The type that a generated `__init__` or `__new__` makes, where it is a carrier of ours."""
    first = frame.f_locals.get("self", frame.f_locals.get("_cls"))
    kind = first if isinstance(first, type) else type(first)
    is_carrier = is_dataclass(kind) or hasattr(kind, "model_fields") or hasattr(kind, "_fields")
    if kind.__module__.split(".")[0] == "pixelsmile" and is_carrier:
        yield f"{kind.__module__.removeprefix('pixelsmile.')}:{kind.__name__}"


def prepare(walk: Callable[[], None]) -> None:
    """What a walk begins with, made before it is watched."""
    if walk is edit:
        command("portrait", "--seed", "7", "-o", "face.png", "--size", "256")
    if walk is train:
        command("triplets", "draw", "-n", "1", "-o", "triplets", "--size", "128")


# The picture: rooms as boxes, each above all that it imports, and the way that data takes through them.

WIDTH, ROW, GAP, MARGIN = 1080, 74, 10, 16
WAY = (
    ("photographs, drawn people", "faces  portraits"),
    ("triplets", "triplets"),
    ("cache", "training"),
    ("adapter", "training"),
    ("edits", "editing  editors"),
    ("scores", "judges  benchmarks"),
    ("report", "benchmarks/report"),
)
INSIDE = {
    "ground": "errors, pictures from outside, limits on whatever a stranger hands in, hashes",
    "store": "files that appear whole, locks, run folders",
    "embedded": "the weights that ship",
    "workers": "other processes, Ray",
    "expressions": "names, prompts, strengths, blends",
    "portraits": "drawn people, action units, ground truth",
    "networks": "our small networks on disk",
    "remote": "servers: retry, budget, cache, chat, images",
    "results": "pictures that say what they are, grids, films",
    "faces": "detectors, alignment, masks, encoders, pasting back",
    "features": "frozen image encoders",
    "provenance": "a mark in the pixels, signatures, both read",
    "editing": "conditioning, sampler, engines, adapters, the session",
    "judges": "rubrics and verdicts",
    "editors": "one door to any editor",
    "triplets": "what training reads",
    "training": "losses, cache, loop, checkpoints",
    "dataset": "collect, compose, generate, annotate, screen",
    "benchmarks": "tasks, scorers, metrics, reports, the user study",
    "cli": "options in, progress out",
    "web": "pages and servers",
}
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c2833 } .name { font-weight: 600; font-size: 15px }
.small { font-size: 11px; fill: #566573 } rect { rx: 6; stroke: #85929e; stroke-width: 1 }
.room { fill: #eaf2f8 } .step { fill: #fef5e7 } .arrow { stroke: #566573; stroke-width: 1.5; fill: none }
svg { background: #ffffff }
"""


def drawn() -> str:
    """The house as SVG: the way of the data above, the storeys below, the ground at the bottom."""
    storeys = storeys_of(rooms_imported())
    height = 150 + len(storeys) * (ROW + GAP) + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"><style>{STYLE}</style>']
    parts += [f'<rect width="{WIDTH}" height="{height}" style="fill:#fff;stroke:none;rx:0"/>']
    parts += way()
    for place, rooms in enumerate(reversed(storeys)):
        parts += storey(rooms, 140 + place * (ROW + GAP))
    return "\n".join([*parts, "</svg>", ""])


def way() -> Iterator[str]:
    step = (WIDTH - 2 * MARGIN + 24) / len(WAY)
    for place, (what, rooms) in enumerate(WAY):
        x = MARGIN + place * step
        yield f'<rect class="step" x="{x:.0f}" y="{MARGIN}" width="{step - 24:.0f}" height="{ROW}"/>'
        words = what.split(", ")
        for line, word in enumerate(words):
            y = MARGIN + 30 + 16 * line - 6 * (len(words) - 1)
            yield label(x + (step - 24) / 2, y, word, "name" if len(words) == 1 else "")
        yield label(x + (step - 24) / 2, MARGIN + ROW - 12, rooms, "small")
        if place:
            yield f'<path class="arrow" d="M{x - 22:.0f} {MARGIN + ROW / 2} h18 m-6 -5 l6 5 l-6 5"/>'


def storey(rooms: Sequence[str], y: int) -> Iterator[str]:
    width = (WIDTH - 2 * MARGIN + GAP) / len(rooms) - GAP
    for place, room in enumerate(rooms):
        x = MARGIN + place * (width + GAP)
        yield f'<rect class="room" x="{x:.0f}" y="{y}" width="{width:.0f}" height="{ROW}"/>'
        yield label(x + width / 2, y + 30, room, "name")
        yield label(x + width / 2, y + 52, INSIDE.get(room, ""), "small")


def label(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{text}</text>'


def room_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else GROUND


def files_of(room: str) -> list[Path]:
    return sorted(file for file in PACKAGE.rglob("*.py") if room_of(file) == room)


def rooms_imported() -> dict[str, set[str]]:
    """For each room the rooms that its files import, at their top or inside functions."""
    names = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    imported: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        found = imported.setdefault(room_of(file), set())
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pixelsmile":
                parts = (node.module or "").split(".")
                found.add(parts[1] if len(parts) > 1 and parts[1] in names else GROUND)
    imported[GROUND] = set()  # but for the doors, which hand out the editor and the command line
    return {room: others - {room} for room, others in imported.items()}


def storeys_of(imported: dict[str, set[str]]) -> list[list[str]]:
    """The rooms from the ground up: each as low as what it imports allows."""
    storeys: list[list[str]] = []
    placed: set[str] = set()
    while left := sorted(set(imported) - placed):
        free = [room for room in left if imported[room] <= placed]
        storeys.append(free)
        placed |= set(free)
    return storeys


if __name__ == "__main__":
    main()
