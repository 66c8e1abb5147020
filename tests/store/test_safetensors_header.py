"""The header of a safetensors file: as the library reads it, and one line for everything else."""

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save, save_file

from pixelsmile.errors import AdapterError, InputError
from pixelsmile.store.safetensors_header import MAX_HEADER_BYTES, TensorEntry, kind_of, read_header


def file_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.bool]
)
def test_it_says_what_the_library_says(tmp_path: Path, dtype: torch.dtype) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"b": torch.zeros(3, 2).to(dtype), "a": torch.zeros(()).to(dtype)}, file, {"note": "é"})
    header = read_header(file)
    with safe_open(file, framework="pt") as stream:
        assert header.metadata == stream.metadata() == {"note": "é"}
        assert set(header.tensors) == set(stream.keys())
        for name, found in header.tensors.items():
            part = stream.get_slice(name)
            assert (found.dtype, list(found.shape)) == (part.get_dtype(), part.get_shape())


def test_an_empty_tensor_and_no_tensors_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(0, 4), "b": torch.ones(2)}, file)
    assert read_header(file).tensors["a"] == TensorEntry("F32", (0, 4), (0, 0))
    file.write_bytes(file_of({}))
    assert read_header(file).tensors == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"GGUF" + bytes(40), "a GGUF file"),
        (b"\x80\x04" + bytes(40), "a pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture"),
        (b'{"lora_alpha": 8}', "a JSON text"),
        (b"\x08\x07\x12\x07pytorch" + bytes(40), "an ONNX model"),
        (bytes(20), "cut short"),
        (b"learning rate 1e-4, then we saw that it diverged", "a text"),
        (b"\xfe\xdc\xba" * 20, "of an unknown kind"),
        (file_of([]), "of an unknown kind"),
        (file_of({"a": entry()}, bytes(8))[:40], "cut short"),
        (file_of({"a": entry()}, bytes(7)), "should hold 8 bytes of tensors and holds 7"),
        (file_of({"a": entry()}, bytes(9)), "holds 9"),
        (file_of({"a": entry(), "b": entry()}, bytes(8)), "tensor 'b' begins at byte 0, not 8"),
        (file_of({"a": entry(offsets=(4, 12))}, bytes(12)), "begins at byte 4"),
        (file_of({"a": entry(dtype="F33")}, bytes(8)), "unknown format 'F33'"),
        (file_of({"a": entry(dtype=["F32"])}, bytes(8)), "unknown format"),
        (file_of({"a": entry(shape=(-2,))}, bytes(8)), "has the shape"),
        (file_of({"a": entry(shape=(True, 2))}, bytes(8)), "has the shape"),
        (file_of({"a": entry(shape=[1] * 99)}, bytes(4)), "has the shape"),
        (file_of({"a": entry(shape="2")}, bytes(8)), "has the shape"),
        (file_of({"a": entry(offsets=(0, 8, 9))}, bytes(8)), "has the offsets"),
        (file_of({"a": entry(shape=(3,))}, bytes(8)), "does not fill its place"),
        (file_of({"a": entry(shape=(2**40 - 1,) * 16)}, bytes(8)), "does not fill its place"),
        (file_of({"a": 1}, bytes(8)), "is not described"),
        (file_of({"a": {**entry(), "more": 1}}, bytes(8)), "is not described"),
        (file_of({"__metadata__": {"a": 1}}), "no texts by name"),
        (file_of({"__metadata__": ["a"]}), "no texts by name"),
        (file_of(b"{" + b'"a":[' * 5000), "no valid JSON"),
        (file_of(b'{"a": NaN}'), "no valid JSON"),
        (file_of(b"{" + b" " * MAX_HEADER_BYTES + b"}"), "longer than"),
        ((2**63).to_bytes(8, "little") + b"{}", "cut short"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(data)
    with pytest.raises(AdapterError, match=words) as caught:
        read_header(file, error=AdapterError)
    assert "a.safetensors" in str(caught.value)


def test_a_file_of_torch_save_is_a_pickle(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="a pickle"):
        read_header(tmp_path / "a.safetensors")
    with zipfile.ZipFile(tmp_path / "b.safetensors", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(InputError, match="a zip archive"):
        read_header(tmp_path / "b.safetensors")


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("pipe", "not a regular file"), (".", "is a folder"), ("none", "there is no file")):
        with pytest.raises(InputError, match=words):
            read_header(tmp_path / name)


@given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 400))
def test_a_file_that_was_tampered_with_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, length: int
) -> None:
    data = bytearray(save({"a": torch.ones(4, 4), "b": torch.ones(3)}, {"note": "x"}))
    data[place % len(data)] = value
    file = tmp_path_factory.getbasetemp() / "tampered.safetensors"
    file.write_bytes(bytes(data[: length if length < len(data) else None]))
    with suppress(InputError):
        read_header(file)


@given(st.binary(max_size=600))
def test_everything_is_of_some_kind(beginning: bytes) -> None:
    assert kind_of(beginning).isprintable()
