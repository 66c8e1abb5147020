"""`pixelsmile models`."""

import json
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from pixelsmile.cli import main
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.hashing import sha256_bytes

CONTENT = b"the published bytes"


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, and a catalogue in which every file has the same short content."""
    monkeypatch.setenv("PIXELSMILE_MODELS", str(tmp_path / "models"))
    for name, entry in list(WEIGHTS.items()):
        short = replace(entry, size_bytes=len(CONTENT), sha256=sha256_bytes(CONTENT))
        monkeypatch.setitem(WEIGHTS, name, short)
    return tmp_path / "models"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the hub was asked for; it has everything."""
    repositories: list[str] = []

    def download(repository: str, remote: str, *, revision: str, local_dir: Path) -> str:
        repositories.append(repository)
        (local_dir / remote).write_bytes(CONTENT)
        return str(local_dir / remote)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return repositories


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_list(models, capsys):
    models.mkdir()
    (models / "glintr100.onnx").write_bytes(CONTENT)
    (models / "face_detection_yunet_2023mar.onnx").write_bytes(b"half")
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"folder: {models}\n")
    assert "arcface   ready: glintr100.onnx" in out
    assert "yunet     damaged: face_detection_yunet_2023mar.onnx" in out
    assert "scrfd     absent: scrfd_10g_bnkps.onnx" in out
    assert "licence InsightFace, NOT for commercial use" in out
    assert "licence Apache-2.0, commercial use allowed" in out
    assert "https://huggingface.co/opencv/face_detection_yunet/resolve/main/face_detection_yunet" in out


def test_list_some_as_json(models, capsys):
    assert main(["models", "list", "yunet", "scrfd", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["folder"] == str(models)
    yunet, scrfd = record["models"]
    assert (yunet["name"], yunet["state"], yunet["licence"]["commercial"]) == ("yunet", "absent", True)
    assert (scrfd["name"], scrfd["licence"]["commercial"]) == ("scrfd", False)
    assert scrfd["path"] == str(models / "scrfd_10g_bnkps.onnx")
    assert set(scrfd) >= {"url", "sha256", "size_bytes", "used_by", "summary", "repository", "revision"}


def test_fetch(models, asked, capsys):
    assert main(["models", "fetch", "yunet", "auraface", "yunet"]) == 0
    paths = [models / "face_detection_yunet_2023mar.onnx", models / "auraface_glintr100.onnx"]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert sorted(models.iterdir()) == sorted(paths)
    assert asked == ["opencv/face_detection_yunet", "fal/AuraFace-v1"]
    assert main(["models", "fetch", "yunet", "--json"]) == 0  # what is whole is not fetched again
    assert json.loads(capsys.readouterr().out) == {"paths": [str(paths[0])]}
    assert len(asked) == 2
    paths[0].write_bytes(b"damaged")
    assert main(["models", "fetch", "yunet"]) == 0
    assert len(asked) == 3
    assert paths[0].read_bytes() == CONTENT


def test_restricted_weights_need_a_word(models, asked, capsys):
    line = refused(capsys, "fetch", "yunet", "scrfd")
    assert "scrfd (InsightFace) restricts its use (non-commercial research only)" in line
    assert "--accept-licence" in line
    assert asked == []  # nothing at all was fetched
    assert not models.exists()
    assert main(["models", "fetch", "yunet", "scrfd", "--accept-licence"]) == 0
    assert len(asked) == 2


def test_without_a_network(models, capsys):
    line = refused(capsys, "fetch", "yunet")
    entry = WEIGHTS["yunet"]
    for part in ("cannot fetch yunet", "try again with a network, or put https://", entry.file):
        assert part in line
    assert list(models.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["lst"], "unknown action 'lst': did you mean list?"),
        ([], "required: list|fetch"),
        (["fetch"], "name what to fetch"),
        (["fetch", "yunett"], "unknown model 'yunett': did you mean yunet?"),
        (["list", "resnet50"], "unknown model 'resnet50'"),
        (["fetch", "scrfd", "--accept-license"], "did you mean --accept-licence?"),
    ],
)
def test_slips(arguments, line, capsys):
    assert line in refused(capsys, *arguments)
