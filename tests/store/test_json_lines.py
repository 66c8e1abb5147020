"""Files of records that survive a kill."""

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixelsmile.errors import InputError, OutputError
from pixelsmile.limits import validated
from pixelsmile.store.json_lines import (
    LineWriter,
    Record,
    escaped,
    is_utf8,
    read_lines,
    read_numbered,
    recordable,
)


class _Note(Record):
    name: str
    value: float


def test_what_was_written_is_read_back_in_order(tmp_path: Path) -> None:
    notes = [_Note(name="ü\n", value=0.1), _Note(name="", value=1e300)]
    for note in notes:
        with LineWriter(tmp_path / "deep" / "notes.jsonl") as writer:
            writer.write(note)
    assert read_lines(tmp_path / "deep" / "notes.jsonl", _Note) == tuple(notes)


def test_a_missing_file_has_no_records(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.jsonl", _Note) == ()


@pytest.mark.parametrize("num_bytes", range(30))
def test_a_cut_line_is_left_out_and_written_again(tmp_path: Path, num_bytes: int) -> None:
    path = tmp_path / "notes.jsonl"
    line = b'{"name":"second","value":2.0}\n'
    path.write_bytes(b'{"name":"first","value":1.0}\n' + line[:num_bytes])
    assert [note.name for note in read_lines(path, _Note)] == ["first"]
    with LineWriter(path) as writer:
        writer.write(_Note(name="second", value=2))
    assert [note.name for note in read_lines(path, _Note)] == ["first", "second"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b'{"name":"first","value":1.0}\n{"name":"second"}\n')
    with pytest.raises(InputError, match="line 2: value is missing"):
        read_lines(path, _Note)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write to"):
        LineWriter(tmp_path / "file" / "notes.jsonl")


def test_a_disk_that_takes_a_part_of_a_line_keeps_the_lines_before(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "notes.jsonl"
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with LineWriter(path) as writer:
        writer.write(_Note(name="first", value=1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
        try:
            with pytest.raises(OutputError, match="free some space"):
                writer.write(_Note(name="second", value=2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert path.read_bytes() == b'{"name":"first","value":1.0}\n'
    with LineWriter(path) as writer:
        writer.write(_Note(name="second", value=2))
    assert [note.name for note in read_lines(path, _Note)] == ["first", "second"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
LINES = st.builds(lambda values: "\n".join(map(json.dumps, values)).encode(), st.lists(VALUES, max_size=3))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | LINES, st.sampled_from([b"", b"\n", b'{"name": "a", "value": 1}\n']))
def test_any_file_is_records_or_one_line(tmp_path: Path, data: bytes, more: bytes) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_bytes(more + data + more)
    with suppress(InputError):  # anything else fails the test
        read_lines(path, _Note)
    with suppress(InputError):
        read_numbered(path, lambda line: validated(_Note, line))


def test_all_wrong_lines_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('\n{"name":"a","value":1}\n' + '{"name":"a","value":NaN}\n' * 3)
    for read in (read_lines, lambda path, kind: read_numbered(path, lambda line: validated(kind, line))):
        with pytest.raises(InputError, match=r"line 3: .*NaN is no JSON.*; 3 lines are wrong in all"):
            read(path, _Note)
    path.write_text(" \n")
    assert read_lines(path, _Note) == ()
    with pytest.raises(InputError, match="holds no note"):
        read_numbered(path, str, needed="note")


# Text on its way to files, whatever a file is called.

NAME = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80.png")  # Latin 1, then UTF-8


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("\u00e9\U0001f600", "\u00e9\U0001f600"),
        (NAME, "caf\\xe9 \U0001f600.png"),
        ("half \ud800", "half \\ud800"),
        ("line\nend", "line\nend"),
    ],
)
def test_what_is_written(text, written):
    assert escaped(text) == written
    assert is_utf8(text) == (text == written)
    assert recordable({text: [text, (text, 1, None)]}) == {written: [written, (written, 1, None)]}
    json.loads(json.dumps(recordable({text: text}), ensure_ascii=False).encode())
