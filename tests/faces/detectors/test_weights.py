"""The catalogue, its folder, and files that arrive whole or not at all."""

import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from pixelsmile.errors import InputError, ModelError, OutputError
from pixelsmile.faces.weights import WEIGHTS, check_licence, fetch_weights, models_folder
from pixelsmile.hashing import sha256_bytes

CONTENT = b"the published bytes"


@pytest.fixture
def weights():
    return replace(WEIGHTS["yunet"], size_bytes=len(CONTENT), sha256=sha256_bytes(CONTENT))


@pytest.fixture
def hub(monkeypatch):
    """The hub's client, which hands out `hub[remote]`: bytes, or an error to raise."""
    contents: dict[str, object] = {}
    asked = []

    def download(repository: str, remote: str, *, revision: str, local_dir: Path) -> str:
        asked.append((repository, remote, revision))
        content = contents[remote]
        (local_dir / "half.incomplete").write_bytes(b"half")
        if isinstance(content, BaseException):
            raise content
        (local_dir / remote).write_bytes(content)
        return str(local_dir / remote)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    contents["asked"] = asked
    return contents


def test_the_catalogue_is_sound():
    assert set(WEIGHTS) >= {"scrfd", "yunet", "arcface", "auraface", "facenet", "adaface"}
    files = [name for entry in WEIGHTS.values() for name in (entry.file, *entry.also_called)]
    assert len(set(files)) == len(files)  # two files of the hub share a name, ours do not
    for name, entry in WEIGHTS.items():
        assert entry.name == name
        assert len(entry.sha256) == 64
        assert set(entry.sha256) <= set("0123456789abcdef")
        assert entry.file.endswith((".onnx", ".safetensors"))  # never a pickle
        assert len(entry.revision) == 40  # a commit, which never changes
        assert entry.licence.url.startswith("https://")
        assert entry.url.startswith("https://huggingface.co/")
    assert {name for name, entry in WEIGHTS.items() if entry.licence.commercial} == {"yunet", "auraface"}


def test_states(models, weights):
    assert weights.state() == "absent"
    (models / weights.file).write_bytes(CONTENT)
    assert weights.state() == "ready"
    assert weights.require() == models / weights.file
    for wrong in (CONTENT[:-1], CONTENT[:-1] + b"!"):
        (models / weights.file).write_bytes(wrong)
        assert weights.state() == "damaged"
        with pytest.raises(ModelError, match="size or SHA-256 differ"):
            weights.require()


def test_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PIXELSMILE_MODELS", "~/mine")
    assert models_folder() == Path.home() / "mine"
    monkeypatch.delenv("PIXELSMILE_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    for platform, cache in (
        ("linux", tmp_path),
        ("win32", tmp_path),
        ("darwin", Path.home() / "Library" / "Caches"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert models_folder() == cache / "pixelsmile" / "models"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/cache")
    assert models_folder() == Path.home() / ".cache" / "pixelsmile" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert models_folder() == Path.home() / ".cache" / "pixelsmile" / "models"


def test_fetching(models, weights, hub):
    hub[weights.remote] = CONTENT
    (models / weights.file).write_bytes(b"damaged")
    assert fetch_weights(weights) == models / weights.file
    assert hub["asked"] == [(weights.repository, weights.remote, weights.revision)]
    assert [path.name for path in models.iterdir()] == [weights.file]
    assert weights.state() == "ready"


def test_the_folder_is_made(tmp_path, monkeypatch, weights, hub):
    hub[weights.remote] = CONTENT
    monkeypatch.setenv("PIXELSMILE_MODELS", str(tmp_path / "not" / "yet"))
    assert fetch_weights(weights).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (CONTENT[:-1], "18 bytes, SHA-256"),
        (CONTENT[:-1] + b"!", "is not what was published"),
        (OSError("no route"), r"cannot fetch yunet \(OSError\): try again with a network, or put"),
    ],
)
def test_what_goes_wrong_leaves_all_as_it_was(content, line, models, weights, hub):
    hub[weights.remote] = content
    (models / weights.file).write_bytes(b"mine")
    with pytest.raises(ModelError, match=line) as refused:
        fetch_weights(weights)
    assert "\n" not in str(refused.value)
    assert [(path.name, path.read_bytes()) for path in models.iterdir()] == [(weights.file, b"mine")]


def test_interrupted(models, weights, hub):
    hub[weights.remote] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        fetch_weights(weights)
    assert list(models.iterdir()) == []


def test_the_real_client_without_a_network(models, weights):
    with pytest.raises(ModelError, match="cannot fetch yunet") as refused:
        fetch_weights(weights)
    for part in ("pixelsmile models list yunet", str(models / weights.file)):
        assert part in str(refused.value)
    assert list(models.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, weights):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIXELSMILE_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(OutputError, match="set PIXELSMILE_MODELS to another folder"):
        fetch_weights(weights)


def test_licences():
    check_licence(WEIGHTS["yunet"], accepted=False)
    check_licence(WEIGHTS["scrfd"], accepted=True)
    with pytest.raises(InputError, match=r"non-commercial research only.*--accept-licence"):
        check_licence(WEIGHTS["scrfd"], accepted=False)
