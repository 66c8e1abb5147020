"""Files of records that survive a kill."""

from pathlib import Path

import pytest

from pixelsmile.errors import InputError, OutputError
from pixelsmile.json_lines import LineWriter, Record, read_lines


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
