"""Files appear whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelsmile.errors import OutputError
from pixelsmile.publication import staged, write_file


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
