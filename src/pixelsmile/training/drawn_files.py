"""Drawn triplets on disk, as any other training data: pictures, JSON lines and a manifest.

pictures/0000/0000012-source.png   and -a.png, -b.png
triplets.partial.jsonl             a line for each triplet whose pictures are on disk
triplets.jsonl                     the same file, once it holds all of them
manifest.json                      written last
plan.json                          written first: what is drawn here, however much of it

More can be drawn later: until all of it is there, triplets.jsonl and the manifest stay as they are.
"""

import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from PIL import Image

from pixelsmile.errors import InputError, OutputError
from pixelsmile.json_lines import LineWriter, read_lines
from pixelsmile.limits import read_json_object, shown
from pixelsmile.publication import SCRATCH_PREFIX, staged, write_file
from pixelsmile.records import MANIFEST_NAME, make_manifest, read_manifest, record_file
from pixelsmile.training.drawn import DrawnPlan, draw_triplet
from pixelsmile.training.triplet_lines import TripletLine
from pixelsmile.training.triplets import Triplet

if sys.platform != "win32":
    import fcntl

LINES_NAME = "triplets.jsonl"
PARTIAL_NAME = "triplets.partial.jsonl"
PLAN_NAME = "plan.json"

_LOCK_NAME = ".lock"
_VERSION = "drawn-triplets-1"


def write_drawn(
    folder: Path, num_triplets: int, plan: DrawnPlan | None = None, *, num_processes: int | None = None
) -> Iterator[int]:
    """Draw the first triplets of a plan into `folder`; yields how many are there, from the start on.

    The same call goes on where a killed one stopped, with the same result for any `num_processes` (by default
    one a core). One that asks for more than a finished one draws what is missing to that. OutputError where
    more are there than asked for, where the folder holds something else or another plan, where another
    process is drawing in it, or the disk fails.
    """
    plan = plan or DrawnPlan()
    if num_triplets < 1:
        raise InputError(f"{num_triplets!r} triplets to draw: ask for one or more")
    with _claimed(folder, {"version": _VERSION, **asdict(plan)}):
        if _num_finished(folder, num_triplets) < num_triplets:
            yield from _draw_rest(folder, num_triplets, plan, num_processes or os.cpu_count() or 1)
            os.replace(folder / PARTIAL_NAME, folder / LINES_NAME)
        _finish(folder, num_triplets, plan)
        yield num_triplets


def _num_finished(folder: Path, num_wanted: int) -> int:
    """How many triplets LINES_NAME holds. OutputError where there are more than wanted, there or underway."""
    num_finished = len(read_lines(folder / LINES_NAME, TripletLine))
    if num_finished == num_wanted:  # even where somebody began to draw more
        return num_finished
    num_there = max(num_finished, len(read_lines(folder / PARTIAL_NAME, TripletLine)))
    if num_there > num_wanted:
        raise OutputError(
            f"{str(folder)!r} holds {num_there} triplets, more than {num_wanted}, and none are taken away: "
            f"ask for {num_there} or more, or choose another folder"
        )
    return num_finished


def _draw_rest(folder: Path, num_triplets: int, plan: DrawnPlan, num_processes: int) -> Iterator[int]:
    if (folder / LINES_NAME).exists() and not (folder / PARTIAL_NAME).exists():
        write_file(folder / PARTIAL_NAME, (folder / LINES_NAME).read_bytes())
    num_done = len(read_lines(folder / PARTIAL_NAME, TripletLine))
    with LineWriter(folder / PARTIAL_NAME) as writer:
        yield num_done
        for triplet in _written(folder, plan, range(num_done, num_triplets), num_processes):
            writer.write(TripletLine.of(triplet, folder))
            num_done += 1
            yield num_done


def _written(folder: Path, plan: DrawnPlan, indices: range, num_processes: int) -> Iterator[Triplet]:
    """The triplets in their order, each when its pictures are on disk."""
    write = partial(_write, plan, folder)
    if num_processes == 1 or len(indices) < 2:
        yield from map(write, indices)
        return
    quiet = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes: this one ends the others
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(num_processes, len(indices)), signal.signal, quiet) as processes:
        yield from processes.imap(write, indices, chunksize=4)


def _write(plan: DrawnPlan, folder: Path, index: int) -> Triplet:
    drawn = draw_triplet(plan, index, folder)
    paths = drawn.triplet.images
    with staged(paths[0].parent, [path.name for path in paths], force=True) as stage:
        for path, picture in zip(paths, drawn.pictures, strict=True):
            stage.write(path.name, _png(picture))
    return drawn.triplet


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _finish(folder: Path, num_triplets: int, plan: DrawnPlan) -> None:
    path = folder / MANIFEST_NAME
    outputs = [record_file(folder / LINES_NAME).model_copy(update={"path": LINES_NAME})]
    if path.exists() and read_manifest(path).outputs == tuple(outputs):
        return
    settings = {**read_json_object(folder / PLAN_NAME), "num_triplets": num_triplets}
    manifest = make_manifest(
        "drawn triplets", settings=settings, seeds=[plan.seed], inputs=[], outputs=outputs
    )
    write_file(path, manifest.to_json(), force=True)


@contextmanager
def _claimed(folder: Path, settings: dict[str, object]) -> Iterator[None]:
    """The folder, made if need be, for these settings and for this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(item.name for item in folder.iterdir() if not item.name.startswith("."))
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(folder)!r} ({error.strerror}): choose a folder that you may write to"
        ) from error
    try:
        if sys.platform != "win32":  # two processes in one folder are the user's care there
            _hold(lock, folder)
        _check_plan(folder, others, json.loads(json.dumps(settings)))
        for scratch in list(folder.rglob(f"{SCRATCH_PREFIX}*")):
            shutil.rmtree(scratch, ignore_errors=True)
        yield
    finally:
        os.close(lock)


def _hold(lock: int, folder: Path) -> None:
    """Until the file is closed, which a kill does too."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"another process is drawing in {str(folder)!r}: wait for it, or choose another folder"
        ) from error


def _check_plan(folder: Path, others: list[str], settings: dict[str, object]) -> None:
    """Refuse a folder with other contents; write down the plan in a new one."""
    if not others:
        write_file(folder / PLAN_NAME, (json.dumps(settings, indent=2) + "\n").encode())
        return
    try:
        begun = read_json_object(folder / PLAN_NAME)
    except InputError as error:
        raise OutputError(
            f"{str(folder)!r} holds {others[0]!r} and no plan of drawn triplets ({error}): "
            "choose an empty folder"
        ) from error
    changed = [key for key in settings if begun.get(key) != settings[key]]
    if changed:
        key = changed[0]
        raise OutputError(
            f"{str(folder)!r} was begun with {key} {shown(begun.get(key))}, not {shown(settings[key])}: "
            "choose another folder"
        )
