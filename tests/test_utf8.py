"""Text on its way to files, whatever a file is called."""

import json
import os

import pytest

from pixelsmile.hashing import sha256_json
from pixelsmile.store.manifests import make_manifest, read_manifest, record_bytes
from pixelsmile.utf8 import escaped, is_utf8, recordable, utf8

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
    assert utf8(text).decode() == written
    assert is_utf8(text) == (text == written)
    assert recordable({text: [text, (text, 1, None)]}) == {written: [written, (written, 1, None)]}
    json.loads(json.dumps(recordable({text: text}), ensure_ascii=False).encode())


def test_a_manifest_of_a_name_that_is_no_text(tmp_path):
    manifest = make_manifest(
        "edit",
        settings={"model": NAME, "adapters": [{"source": NAME}]},
        seeds=[],
        inputs=[record_bytes(NAME, b"")],
        outputs=[],
    )
    path = tmp_path / "manifest.json"
    path.write_bytes(manifest.to_json())
    assert read_manifest(path) == manifest  # so that a run can be compared with what was asked before
    assert manifest.inputs[0].path == manifest.settings["model"] == "caf\\xe9 \U0001f600.png"


def test_settings_with_such_a_name_have_a_hash():
    assert sha256_json({"a": NAME}) != sha256_json({"a": "caf"})
