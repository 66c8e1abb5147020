"""Ray: the same rows as without it, also where workers are killed. It is run in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dataset.dataset_examples import contents

from pixelsmile.errors import InputError
from pixelsmile.workers.ray_cluster import RayWorkers

_HERE = Path(__file__).parent
_BUILD = """
import sys
from pathlib import Path
from dataset.dataset_examples import everything
from pixelsmile.dataset.build import build
folder, address = sys.argv[1:]
for event in build(Path(folder), everything(10), num_workers=2, ray=None if address == "none" else address):
    print(event.step, event.done, flush=True)
"""
_MAP = """
import sys
from pathlib import Path
from workers.test_pool import BATCHES, DiesOnce, dies_of_13, lost, refuses
from pixelsmile.workers.ray_cluster import RayWorkers
with RayWorkers("local", 2) as workers:
    print(list(workers.map(DiesOnce(Path(sys.argv[1])), BATCHES, lost)))
    print(list(workers.map(dies_of_13, [[11], [12, 13, 14], [15], [16]], lost)))
    try:
        list(workers.map(refuses, BATCHES, lost))
    except ValueError as error:
        print(error)
"""

needs_ray = pytest.mark.skipif("not __import__('importlib.util').util.find_spec('ray')", reason="without ray")


def test_ray_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setattr("pixelsmile.workers.ray_cluster.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install -c constraints\.txt -e "\.\[ray\]"'):
        RayWorkers("local", 2)


@needs_ray
@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1:9", "no cluster of Ray answers at '127.0.0.1:9'"),
        ("ray://127.0.0.1:99999", "no cluster of Ray answers"),
        ("mine.yaml", "'mine.yaml' is no address: give HOST:PORT"),
    ],
)
def test_an_address_where_nobody_answers_is_one_line(address, line):
    with pytest.raises(InputError, match=line) as refused:
        RayWorkers(address, 2)
    assert len(str(refused.value)) <= 300


@pytest.mark.slow
@needs_ray
def test_workers_that_die_lose_nothing_and_rows_that_end_them_are_set_aside(tmp_path):
    out, said = ended(begun(_MAP, str(tmp_path / "mark")))
    assert out.splitlines() == [
        "[[2, 4, 6], [8, 10], [], [12], [14, 16], [18]]",
        "[[22], [24, -13, 28], [30], [32]]",
        "not these",
    ]
    assert (tmp_path / "mark").exists()
    assert said == ""


@pytest.mark.slow
@needs_ray
def test_two_workers_of_which_one_is_killed_make_the_same_rows(tmp_path):
    ended(begun(_BUILD, str(tmp_path / "plain"), "none"))
    ended(begun(_BUILD, str(tmp_path / "whole"), "local"))
    process = begun(_BUILD, str(tmp_path / "killed"), "local")
    killed = 0
    while process.poll() is None:
        if killed < 2 and (workers := busy_workers(process.pid)):
            os.kill(workers[0], signal.SIGKILL)
            killed += 1
        time.sleep(0.5)
    ended(process)
    assert killed == 2
    assert contents(tmp_path / "whole") == contents(tmp_path / "plain")
    assert contents(tmp_path / "killed") == contents(tmp_path / "plain")


def begun(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that can import what the tests do."""
    paths = [str(_HERE.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process has said and complained about, when it has come to a good end."""
    out, said = process.communicate(timeout=550)
    assert process.returncode == 0, said
    return out, said


def busy_workers(process: int) -> list[int]:
    """Workers of Ray below a process that are at a batch: they are called so then."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            names[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    return [
        one
        for one, name in names.items()
        if name.startswith("ray::MapBatches") and below(one, process, parents)
    ]


def below(one: int, process: int, parents: dict[int, int]) -> bool:
    while one in parents:
        if one == process:
            return True
        one = parents[one]
    return False
