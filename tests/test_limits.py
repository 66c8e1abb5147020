"""The bounded reader, and messages of one line: whatever comes in, out comes a value or one short line."""

import json
import math
import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from pixelsmile.errors import MAX_MESSAGE, AdapterError, InputError, one_line
from pixelsmile.limits import (
    MAX_DEPTH,
    parse_json,
    path_within,
    read_bytes,
    read_json_object,
    read_text,
    shown,
    validated,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    size: int = 1


@given(st.text(max_size=2000))
def test_any_message_is_one_short_printable_line(text):
    line = str(InputError(text))
    assert len(line) <= MAX_MESSAGE
    assert line.isprintable()
    line.encode()


def test_a_long_message_keeps_its_beginning_and_its_end():
    line = one_line("what was wrong: " + "x" * 10_000_000 + ": what to do next")
    assert line.startswith("what was wrong: xxx")
    assert line.endswith("xxx: what to do next")
    assert " ... " in line
    assert one_line("a\nb\x1b[31m\udcff") == "a b\\x1b[31m\\udcff"


@given(VALUES)
def test_json_comes_back(value):
    assert parse_json(json.dumps(value), "it") == value


@given(st.text(max_size=100) | st.binary(max_size=100))
def test_what_is_no_json_is_one_line(text):
    with suppress(InputError):  # anything else fails the test
        parse_json(text, "it")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "in one another"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} lists"),
        ('{"a": NaN}', "NaN"),
        ("[1e999]", "beyond every float"),
        ("9" * 5000, "digits"),
        ('{"\\ud800": 1}', "surrogate"),
        (b"\xff\xfe\x00", "no valid JSON"),
    ],
)
def test_json_that_would_hurt_later_is_refused_now(text, problem):
    with pytest.raises(InputError, match=problem):
        parse_json(text, "it")


def test_depth_up_to_the_limit_is_read():
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "it")


def test_files_are_regular_small_and_text(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_text(file) == "[1]"
    with pytest.raises(InputError, match="a list of 1, where a JSON object is needed"):
        read_json_object(file)
    with pytest.raises(AdapterError, match="longer than 5 bytes"):
        read_bytes(file, max_bytes=5, error=AdapterError)
    file.write_bytes(b"ab\xff")
    with pytest.raises(InputError, match=r"no UTF-8 text \(byte 2 is 0xff\)"):
        read_text(file)
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (("pipe", "not a regular"), ("none", "there is no file"), (".", "is a folder")):
        with pytest.raises(InputError, match=problem):
            read_bytes(tmp_path / name)
    with pytest.raises(InputError, match="not a regular"):
        read_bytes("/dev/zero")
    with pytest.raises(InputError, match="null"):
        read_bytes("a\0b")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"size": 2}, "it: name is missing"),
        ({"name": "a", "sise": 2}, "it: unknown key sise"),
        ({"name": "a", "size": "x" * 1000}, r"it: size is 'x{59}\.\.\.: input should be"),
        (b'{"name": 3}', "it: name is 3: input should be"),
        (b"nonsense", "it is no valid JSON"),
        ([[]], "it: it is a list of 1: "),
    ],
)
def test_a_wrong_value_is_named(value, problem):
    with pytest.raises(InputError, match=problem):
        validated(Named, value, "it")


def test_huge_values_are_not_spelled_out():
    assert shown(10**100_000) == f"a number of {(10**100_000).bit_length()} bits"
    assert shown([math.pi] * 10**6) == "a list of 1000000"
    assert len(shown("y" * 10**6)) < 70


def test_names_stay_within_their_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    assert path_within(tmp_path / "in", "a/b.png") == tmp_path / "in" / "a" / "b.png"
    for name in ("../a", "/etc/passwd", "link/a", "a/../../b", "", 3, None, "a\0"):
        with pytest.raises(InputError, match="names"):
            path_within(tmp_path / "in", name)


def test_links_may_lead_out_where_that_is_said(tmp_path):
    """Every file of the hub's cache is a link out of its folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "blob")
    assert path_within(tmp_path / "in", "link", through_links=True) == tmp_path / "in" / "link"
    for name in ("../a", "/etc/passwd", "a/../../b", "", 3):
        with pytest.raises(InputError, match="names"):
            path_within(tmp_path / "in", name, through_links=True)
