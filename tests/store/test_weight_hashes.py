"""Hashes of weights: read once, read again after any change, and never at the price of a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelsmile.hashing import sha256_file
from pixelsmile.store import weight_hashes
from pixelsmile.store.weight_hashes import MIN_BYTES, remembered_sha256, sha256_weights


@pytest.fixture
def reads(monkeypatch, tmp_path):
    """The files that were read, in a home of their own."""
    seen = []

    def counting(path):
        seen.append(Path(path).name)
        return sha256_file(path)

    monkeypatch.setattr(weight_hashes, "sha256_file", counting)
    monkeypatch.setattr(weight_hashes, "_SETTLED_S", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return seen


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * MIN_BYTES)
    return path


def test_read_once_and_again_after_a_change(reads, weights):
    first = sha256_file(weights)
    assert [remembered_sha256(weights) for _ in range(3)] == [first] * 3
    assert reads == [weights.name]
    before = weights.stat()
    weights.write_bytes(b"b" * MIN_BYTES)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a copy that keeps its time
    assert remembered_sha256(weights) == sha256_file(weights) != first
    os.replace(weights, weights.with_name("moved"))
    assert remembered_sha256(weights.with_name("moved")) == sha256_file(weights.with_name("moved"))
    assert reads == [weights.name, weights.name, "moved"]
    with pytest.raises(FileNotFoundError):
        remembered_sha256(weights)


def test_what_has_just_changed_and_what_is_small_is_not_remembered(reads, weights, monkeypatch):
    monkeypatch.setattr(weight_hashes, "_SETTLED_S", 60.0)
    small = weights.with_name("config.json")
    small.write_bytes(b"{}")
    for path in (weights, weights, small, small):
        assert remembered_sha256(path) == sha256_file(path)
    assert reads == [weights.name] * 2 + [small.name] * 2


def test_a_change_while_it_is_read_is_not_remembered(reads, weights, monkeypatch):
    def changing(path):
        found = sha256_file(path)
        weights.write_bytes(b"c" * MIN_BYTES)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(weight_hashes, "sha256_file", changing)
        remembered_sha256(weights)
    assert remembered_sha256(weights) == sha256_file(weights)


@pytest.mark.parametrize("home", ["file", "folder", "unknown"])
def test_without_a_memory_files_are_read(reads, weights, tmp_path, monkeypatch, home):
    match home:
        case "file":
            (tmp_path / "home").touch()
        case "folder":
            (tmp_path / "home" / "pixelsmile" / "hashes.sqlite").mkdir(parents=True)
        case "unknown":
            monkeypatch.delenv("XDG_CACHE_HOME")
            monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert [remembered_sha256(weights) for _ in range(2)] == [sha256_file(weights)] * 2
    assert reads == [weights.name] * 2


def test_a_damaged_memory_begins_anew(reads, weights, tmp_path):
    (tmp_path / "home" / "pixelsmile").mkdir(parents=True)
    (tmp_path / "home" / "pixelsmile" / "hashes.sqlite").write_bytes(b"no database" * 1000)
    assert [remembered_sha256(weights) for _ in range(3)] == [sha256_file(weights)] * 3
    assert reads == [weights.name]


def test_several_processes_share_the_memory(reads, tmp_path):
    files = [tmp_path / str(number) for number in range(8)]
    for file in files:
        file.write_bytes(file.name.encode() * MIN_BYTES)
    program = (
        "import sys; from pixelsmile.store import weight_hashes; weight_hashes._SETTLED_S = 0\n"
        "for name in sys.argv[1:]: print(weight_hashes.remembered_sha256(name))"
    )
    command = [sys.executable, "-c", program, *map(str, files)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    expected = [sha256_file(file) for file in files]
    for child in children:
        assert child.communicate()[0].split() == expected
    assert [remembered_sha256(file) for file in files] == expected
    assert reads == []


def test_a_network_is_its_weights_and_its_configuration(reads, weights):
    alone = sha256_weights(weights)
    assert alone == sha256_file(weights)
    weights.with_name("config.json").write_text("{}")
    assert sha256_weights(weights) == sha256_weights(weights.parent) != alone
