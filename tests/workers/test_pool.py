"""Processes: results in order, and what becomes of a batch whose process dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pixelsmile.workers.pool import Workers


def doubled(batch: Sequence[int]) -> list[int]:
    return [2 * number for number in batch]


def dies_of_13(batch: Sequence[int]) -> list[int]:
    if 13 in batch:
        os.kill(os.getpid(), signal.SIGKILL)
    return doubled(batch)


class DiesOnce:
    """Of 5, where nobody has died of it yet."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, batch: Sequence[int]) -> list[int]:
        if 5 in batch and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return doubled(batch)


def refuses(batch: Sequence[int]) -> list[int]:
    raise ValueError("not these")


BATCHES = [[1, 2, 3], [4, 5], [], [6], [7, 8], [9]]


def lost(number: int) -> int:
    return -number


@pytest.mark.parametrize("num", [0, 1, 3])
def test_in_order_with_any_number_of_processes(num):
    with Workers(num) as workers:
        for _ in range(2):
            assert list(workers.map(doubled, BATCHES, lost)) == [doubled(batch) for batch in BATCHES]


def test_a_process_that_dies_once_loses_nothing(tmp_path):
    with Workers(2) as workers:
        found = list(workers.map(DiesOnce(tmp_path / "mark"), BATCHES, lost))
    assert found == [doubled(batch) for batch in BATCHES]


def test_a_row_that_always_ends_its_process_is_set_aside_alone():
    with Workers(2) as workers:
        assert list(workers.map(dies_of_13, [[11], [12, 13, 14], [15], [16]], lost)) == [
            [22],
            [24, -13, 28],
            [30],
            [32],
        ]


def test_what_a_function_raises_is_raised_here():
    with Workers(1) as workers, pytest.raises(ValueError, match="not these"):
        list(workers.map(refuses, BATCHES, lost))


def test_processes_that_cannot_begin_are_no_fault_of_rows(tmp_path):
    """A script without its guard: each process begins with the script itself."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pixelsmile.workers.pool import Workers\n"
        "from pixelsmile.errors import PixelSmileError\n"
        "if __name__ != '__main__':\n"
        "    sys.exit(1)\n"
        "with Workers(2) as workers:\n"
        "    try:\n"
        "        print(list(workers.map(sorted, [[2, 1], [3]], str)))\n"
        "    except PixelSmileError as error:\n"
        "        print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("a process to work in ends as it begins")
    assert len(run.stdout.splitlines()) == 1
