"""Large arrays that are made bit by bit, and go on where they were stopped."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np


def fill(
    target: Path, shape: tuple[int, ...], make: Callable[[range], Iterable[np.ndarray]], num_at_once: int
) -> Iterator[dict[str, int]]:
    """Write the array `target` (uint8, npy) unless it is there; yields how many rows are done.

    make: from some rows' numbers to these rows. After every call the count is kept on disk.
    """
    if target.is_file():
        return
    partial, count = target.with_suffix(".partial.npy"), target.with_suffix(".count")
    new_count = target.with_suffix(".count.partial")
    first = int(count.read_text()) if partial.is_file() and count.is_file() else 0
    array = np.lib.format.open_memmap(partial, "r+" if first else "w+", np.uint8, shape)
    for start in range(first, shape[0], num_at_once):
        rows = range(start, min(start + num_at_once, shape[0]))
        for row, made in zip(rows, make(rows), strict=True):
            array[row] = made
        array.flush()
        new_count.write_text(str(rows.stop))
        os.replace(new_count, count)
        yield {"done": rows.stop, "of": shape[0]}
    del array  # Windows renames no file that is mapped
    os.replace(partial, target)
    count.unlink()
