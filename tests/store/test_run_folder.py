"""Folders of work that goes on: one process, one plan, one manifest; and the lock that they share."""

import subprocess
import sys
from pathlib import Path

import pytest

from pixelsmile.errors import InputError, OutputError
from pixelsmile.store.manifests import read_manifest
from pixelsmile.store.publication import LockHeld, try_lock
from pixelsmile.store.run_folder import WorkFolder, differences, require_same

HOLDS = """
import sys
from pathlib import Path
from pixelsmile.store.publication import try_lock

with try_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


class Knitting(WorkFolder):
    PLAN = "pattern.json"
    WORK = "knitting in"


def test_a_lock_is_held_until_the_end_of_its_block_or_its_process(tmp_path):
    path = tmp_path / "lock"
    for ends in (lambda child: child.communicate(b"\n"), lambda child: (child.kill(), child.communicate())):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], **pipes) as child:
            assert child.stdout.readline() == b"held\n"
            with pytest.raises(LockHeld):
                try_lock(path)
            ends(child)
        with try_lock(path):
            pass


def test_one_process_at_a_time(tmp_path):
    busy = pytest.raises(OutputError, match=r"another process is knitting in '.*run': wait for it, or choose")
    with Knitting.claimed(tmp_path / "run"), busy, Knitting.claimed(tmp_path / "run"):
        pass
    with Knitting.claimed(tmp_path / "run"):  # and after it
        pass


def test_a_folder_of_something_else_and_one_without_permission(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(OutputError, match=r"holds 'letter\.txt' and no run"), Knitting.claimed(tmp_path):
        pass
    with pytest.raises(OutputError, match=r"cannot write to .*-o"), Knitting.claimed(Path("/proc/run")):
        pass


def test_what_kills_left_goes_and_so_does_a_folder_that_got_no_plan(tmp_path):
    run = tmp_path / "run"
    with Knitting.claimed(run) as folder:
        (folder.path / ".pixelsmile-1" / "new").mkdir(parents=True)
    assert run.is_dir()  # for it holds something
    with Knitting.claimed(run):
        assert [path.name for path in run.iterdir()] == [".lock"]
    with Knitting.claimed(tmp_path / "other"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_manifest_of_the_same_files_stays(tmp_path):
    (tmp_path / "sock").write_bytes(b"1")
    folder = Knitting(tmp_path)
    folder.finish("sock", ["sock"], settings={"needles": 5}, seeds=[1])
    first = read_manifest(tmp_path / "manifest.json")
    assert [record.path for record in first.outputs] == ["sock"]
    folder.finish("sock", ["sock"], settings={"needles": 6}, seeds=[1])
    assert read_manifest(tmp_path / "manifest.json") == first
    (tmp_path / "sock").write_bytes(b"2")
    folder.finish("sock", ["sock"], settings={"needles": 6}, seeds=[1])
    assert read_manifest(tmp_path / "manifest.json").settings == {"needles": 6}


def test_what_differs_is_named_by_its_dotted_key(tmp_path):
    before, now = {"a": 1, "b": {"c": [1], "d": None}}, {"a": 1, "b": {"c": [1, 2]}, "e": 2}
    assert list(differences(before, now)) == [("b.c", [1], [1, 2]), ("e", None, 2)]
    require_same(tmp_path, before, dict(before), "stop")
    with pytest.raises(InputError, match=r"begun with b\.c = \[1\], not \[1, 2\]: stop"):
        require_same(tmp_path, before, now, "stop")
