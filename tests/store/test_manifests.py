"""Manifests and the hashes in them."""

import json
import os

import pytest

import pixelsmile
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes, sha256_code, sha256_file, sha256_json
from pixelsmile.store.manifests import make_manifest, read_manifest, record_bytes, record_file

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def test_hashes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_bytes(b"abc") == sha256_file(tmp_path / "abc") == ABC
    assert sha256_json({"a": 1, "b": [2.5, None]}) == sha256_json({"b": [2.5, None], "a": 1})
    assert sha256_json({"a": 1}) != sha256_json({"a": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        sha256_json(float("nan"))
    assert len(sha256_code()) == 64


def test_a_manifest_comes_back_as_it_was(tmp_path):
    (tmp_path / "in.png").write_bytes(b"abc")
    manifest = make_manifest(
        "edit",
        settings={"steps": 4, "weights": [[0.5]], "note": None},
        seeds=[7],
        inputs=[record_file(tmp_path / "in.png")],
        outputs=[record_bytes("out.png", b"")],
    )
    path = tmp_path / "manifest.json"
    path.write_bytes(manifest.to_json())
    assert read_manifest(path) == manifest
    assert manifest.code.version == pixelsmile.__version__
    assert manifest.code.libraries["torch"].startswith("2.")
    assert manifest.inputs[0].sha256 == ABC
    assert manifest.inputs[0].size_bytes == 3


@pytest.mark.parametrize(
    "change", [{"extra": 1}, {"kind": 3}, {"schema_version": 2}, {"outputs": [{"path": "a"}]}]
)
def test_foreign_manifests_are_refused(change, tmp_path):
    good = json.loads(make_manifest("edit", settings={}, seeds=[], inputs=[], outputs=[]).to_json())
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**good, **change}))
    with pytest.raises(InputError, match=f"manifest.json': .*{next(iter(change))}") as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


def test_missing_and_broken_manifests(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_manifest(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"kind": "ed')
    with pytest.raises(InputError, match="a manifest of this version is needed"):
        read_manifest(tmp_path / "half.json")


NAME = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80.png")  # Latin 1, then UTF-8


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
