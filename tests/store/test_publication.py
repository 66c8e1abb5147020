"""Files appear whole or not at all."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelsmile.errors import OutputError
from pixelsmile.store.publication import remove_folder, staged, whole_folder, write_file


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def publish(
    folder: Path,
    files: dict[str, bytes],
    *,
    meanwhile: Callable[[], None] = lambda: None,
    force: bool = False,
) -> None:
    with staged(folder, files, force=force) as stage:
        for name, data in files.items():
            stage.write(name, data)
        meanwhile()


def test_files_appear_together_at_the_end(tmp_path):
    folder = tmp_path / "new" / "folder"
    with staged(folder, ["a", "b"]) as stage:
        stage.write("a", b"1")
        stage.write("b", b"2")
        assert not folder.exists()
    assert names_in(folder) == {"a", "b"}
    assert names_in(tmp_path) == {"new"}


def test_what_exists_is_refused_before_any_work(tmp_path):
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"'.*b' already there: replace with --force"):
        staged(tmp_path, ["a", "b"]).__enter__()
    assert names_in(tmp_path) == {"b"}


def test_what_appeared_meanwhile_is_kept(tmp_path):
    def somebody_else_is_faster() -> None:
        (tmp_path / "a").write_bytes(b"theirs")

    with pytest.raises(OutputError, match="already there"):
        publish(tmp_path, {"a": b"mine"}, meanwhile=somebody_else_is_faster)
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert names_in(tmp_path) == {"a"}


def test_force_replaces_and_keeps_the_rest(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "other").write_bytes(b"kept")
    with staged(tmp_path, ["a"], force=True) as stage:
        stage.write("a", b"new")
        assert (tmp_path / "a").read_bytes() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names_in(tmp_path) == {"a", "other"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing(error, tmp_path):
    def fail() -> None:
        raise error

    with pytest.raises(error):
        publish(tmp_path / "out", {"a": b"1"}, meanwhile=fail)
    assert names_in(tmp_path) == set()


def test_a_full_disk(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"no space left on device.*free some space"):
        write_file(tmp_path / "a", b"1")
    assert names_in(tmp_path) == set()


def test_a_move_that_fails_puts_everything_back(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"old")
    replace = os.replace

    def fail_at_b(source: Path, target: Path) -> None:
        if target == tmp_path / "b" and source.read_bytes() == b"new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_at_b)
    with pytest.raises(OutputError, match="cannot write"):
        publish(tmp_path, dict.fromkeys(("c", "a", "b"), b"new"), force=True)
    assert names_in(tmp_path) == {"a", "b"}
    assert {(tmp_path / name).read_bytes() for name in ("a", "b")} == {b"old"}


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for path, seen in [
        (tmp_path / "file" / "a", "is a file, not a folder"),
        (Path("/proc/a"), "cannot write to '/proc'"),
        (tmp_path / ("x" * 300) / "a", "shorter name"),
    ]:
        with pytest.raises(OutputError, match=seen) as caught:
            write_file(path, b"1")
        assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="is a folder"):
        write_file(tmp_path, b"1", force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"permission denied.*may write"):
        write_file(tmp_path / "a", b"1")


def test_only_announced_files(tmp_path):
    with pytest.raises(ValueError, match="not announced"), staged(tmp_path, ["a"]) as stage:
        stage.write("b", b"1")


# What a kill leaves.

KILLED = """
import os, signal, sys
from pathlib import Path
from pixelsmile.store.publication import remove_folder, staged, whole_folder, write_file

replace, left = os.replace, [int(sys.argv[2])]

def counting(source, target):
    replace(source, target)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = counting
with staged(Path(sys.argv[1]), ["a", "b", "c"], force=True) as stage:
    for name in ("a", "b", "c"):
        stage.write(name, b"new " + name.encode())
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
"""

ALIVE = """
import sys
from pathlib import Path
from pixelsmile.store.publication import remove_folder, staged, whole_folder, write_file

with staged(Path(sys.argv[1]), ["alive"]) as stage:
    stage.write("alive", b"1")
    print("waiting", flush=True)
    sys.stdin.readline()
"""

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 and flock")


def scratches_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(".pixelsmile-*"))


def kill_after(folder: Path, num_moves: int) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(num_moves)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(scratches_in(folder)) == 1


@unix_only
@pytest.mark.parametrize("num_moves", range(6))
def test_the_next_write_brings_back_what_a_killed_one_was_replacing(tmp_path, num_moves):
    before = {"a": b"old a", "b": b"old b"}  # c is new
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    kill_after(tmp_path, num_moves)
    write_file(tmp_path / "other", b"1")
    names = names_in(tmp_path) - {"other"}
    after = {"a": b"new a", "b": b"new b", "c": b"new c"}
    assert {name: (tmp_path / name).read_bytes() for name in names} == (after if num_moves == 5 else before)


@unix_only
def test_what_came_into_the_place_since_stays_and_so_does_what_was_replaced(tmp_path, caplog):
    (tmp_path / "a").write_bytes(b"old a")
    kill_after(tmp_path, 1)  # a is away, its successor is not there yet
    (tmp_path / "a").write_bytes(b"somebody's")
    write_file(tmp_path / "other", b"1")
    assert (tmp_path / "a").read_bytes() == b"somebody's"
    (scratch,) = scratches_in(tmp_path)
    assert (scratch / "old" / "a").read_bytes() == b"old a"
    assert "look at them" in caplog.text


@unix_only
def test_a_living_process_keeps_its_folder(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", ALIVE, str(tmp_path)], **pipes) as process:
        assert process.stdout.readline() == b"waiting\n"
        before = scratches_in(tmp_path)
        write_file(tmp_path / "mine", b"1")
        assert scratches_in(tmp_path) == before != []
        process.communicate(b"\n")
        assert process.returncode == 0
    assert names_in(tmp_path) == {"mine", "alive"}


@pytest.mark.parametrize("host", [None, "another machine"])
def test_what_may_be_alive_elsewhere_is_left_for_a_week(tmp_path, host):
    for name, age_s in (("young", 6 * 86_400), ("old", 8 * 86_400)):
        scratch = tmp_path / f".pixelsmile-{name}"
        scratch.mkdir()
        if host is not None:
            (scratch / "lock").write_text(host)
        os.utime(scratch, (time.time() - age_s,) * 2)
    write_file(tmp_path / "a", b"1")
    assert [path.name for path in scratches_in(tmp_path)] == [".pixelsmile-young"]


@pytest.mark.parametrize(
    "moves",
    [
        {"folder": b"..".hex(), "inodes": {b"a".hex(): 1}},
        {"folder": b".".hex(), "inodes": {b"../../secret".hex(): 1}},
        {"folder": b".".hex(), "inodes": []},
        {"folder": ".", "inodes": {"a": 1}},
        [[[]]],
    ],
)
def test_a_folder_that_a_stranger_has_made_moves_nothing(tmp_path, moves):
    place, scratch = tmp_path / "place", tmp_path / "place" / ".pixelsmile-x"
    (scratch / "old").mkdir(parents=True)
    (scratch / "new").mkdir()
    for path in (scratch / "old" / "a", scratch / "new" / "a", tmp_path / "secret"):
        path.write_bytes(b"theirs")
    (scratch / "lock").write_text(platform.node())
    (scratch / "moves.json").write_text(json.dumps(moves))
    write_file(place / "b", b"1")
    assert names_in(tmp_path) == {"place", "secret"}
    assert names_in(place) == {"b", ".pixelsmile-x"}


# Folders.


def fill(target: Path, content: bytes) -> None:
    with whole_folder(target) as folder:
        (folder / "a").write_bytes(content)
        (folder / "b").mkdir()


def test_a_folder_appears_whole_and_replaces_another(tmp_path):
    target = tmp_path / "new" / "folder"
    for content in (b"1", b"2"):
        fill(target, content)
        assert names_in(tmp_path / "new") == {"folder"}
        assert (target / "a").read_bytes() == content
    with pytest.raises(TypeError), whole_folder(target) as folder:
        (folder / "a").write_bytes("no bytes")
    assert (target / "a").read_bytes() == b"2"
    assert names_in(tmp_path / "new") == {"folder"}


def test_a_folder_that_cannot_be_moved_leaves_the_old_one(tmp_path, monkeypatch):
    target, replace = tmp_path / "folder", os.replace
    fill(target, b"old")

    def fail_at_new(source, place):
        if "new" in Path(source).parts:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(source, place)

    monkeypatch.setattr(os, "replace", fail_at_new)
    with pytest.raises(OSError, match="Input/output"):
        fill(target, b"new")
    assert (target / "a").read_bytes() == b"old"
    assert names_in(tmp_path) == {"folder"}


def test_a_folder_goes_in_one_step(tmp_path):
    fill(tmp_path / "folder", b"1")
    remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")  # there is none any more
    remove_folder(tmp_path / "nowhere" / "folder")
    assert names_in(tmp_path) == set()
