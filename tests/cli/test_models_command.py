"""`pixelsmile models`."""

import json
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import tiny_qwen21
from huggingface_hub import constants

from pixelsmile.cli import main
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.hashing import sha256_bytes
from pixelsmile.store.hub import REPOSITORIES

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
        assert len(revision) == 40  # a commit
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
    assert (
        "https://huggingface.co/opencv/face_detection_yunet/resolve/3cc26e7f1014a5ee5d74a42acee58baf" in out
    )
    assert "qwen-image-edit-2511 absent: Qwen/Qwen-Image-Edit-2511, 57.7 GB" in out
    assert "qwen-image-2.1 absent: Qwen/Qwen-Image-2.1, no size or checksum is known here" in out
    assert "licence Qwen Research License, NOT for commercial use" in out
    assert "pixelsmile absent: PixelSmile/PixelSmile, 849.5 MB" in out
    assert "lightning-4 absent: lightx2v/Qwen-Image-Edit-2511-Lightning, 849.6 MB" in out
    assert "for --preset lightning-8; licence Apache-2.0, commercial use allowed" in out
    assert "clip      absent: openai/clip-vit-large-patch14, 1.7 GB" in out
    assert (
        "danbooru-clip absent: OysterQAQ/DanbooruCLIP, not pinned: no size or checksum is known here" in out
    )
    assert "its commit is not known here: what refs/pr/1 is now is fetched" in out


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


def test_each_encoder_lies_in_a_folder_of_its_own(models, asked, capsys):
    """AdaFace with its config, which says in which order it takes the colours, and no other reads that."""
    assert main(["models", "fetch", "adaface", "facenet", "--accept-licence"]) == 0
    paths = [models / "adaface" / "model.safetensors", models / "facenet" / "model.safetensors"]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert (models / "adaface" / "config.json").read_bytes() == CONTENT
    assert not (models / "facenet" / "config.json").exists()
    (models / "adaface" / "config.json").unlink()
    assert WEIGHTS["adaface"].state() == "absent"  # without it the file says too little
    assert "model.safetensors with its config.json; address" in WEIGHTS["adaface"].how_to_get()
    paths[1].rename(models / "facenet_vggface2.safetensors")  # where it was before
    assert WEIGHTS["facenet"].state() == "ready"


@pytest.fixture
def snapshots(tmp_path, monkeypatch):
    """What the hub was asked for as a whole repository; all lie in an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    found = []

    def snapshot(name, revision=None, allow_patterns=None, local_files_only=False):
        found.append((name, revision))
        return str(tmp_path / "hub" / "snapshots" / revision)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return found


def test_a_base_is_fetched_at_its_commit(models, snapshots, tmp_path, capsys):
    assert main(["models", "fetch", "qwen-image-edit-2511", "--json"]) == 0
    commit = REPOSITORIES["qwen-image-edit-2511"].revision
    assert json.loads(capsys.readouterr().out) == {"paths": [str(tmp_path / "hub" / "snapshots" / commit)]}
    assert main(["models", "fetch", "pixelsmile", "--revision", "main"]) == 0
    assert snapshots == [("Qwen/Qwen-Image-Edit-2511", commit), ("PixelSmile/PixelSmile", "main")]
    capsys.readouterr()
    assert "danbooru-clip (none stated) restricts its use" in refused(capsys, "fetch", "danbooru-clip")


def test_check_reads_what_is_here(models, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert main(["models", "check"]) == 0
    assert "none of the listed weights is here" in capsys.readouterr().out
    models.mkdir()
    (models / "glintr100.onnx").write_bytes(CONTENT)
    assert main(["models", "check"]) == 0
    assert capsys.readouterr().out == "ready      arcface glintr100.onnx\n"
    (models / "glintr100.onnx").write_bytes(CONTENT[::-1])
    assert main(["models", "check", "arcface", "pixelsmile", "clip", "--json"]) == 1
    states = [(each["name"], each["state"]) for each in json.loads(capsys.readouterr().out)["files"]]
    assert states == [("arcface", "damaged"), ("pixelsmile", "absent"), ("clip", "absent")]


def test_a_base_without_checksums_is_whole_where_it_could_be_loaded(models, capsys, tmp_path, monkeypatch):
    half = tmp_path / "hub" / "snapshots" / REPOSITORIES["qwen-image-2.1"].revision
    half.mkdir(parents=True)
    (half / "model_index.json").write_text('{"_class_name": "QwenImage21Pipeline"}')
    monkeypatch.setattr("pixelsmile.store.hub.downloaded", lambda *_: half)
    monkeypatch.setattr("pixelsmile.editing.model_choice.downloaded", lambda *_: half)
    named = ["qwen-image-2.1", "danbooru-clip"]
    assert main(["models", "check", *named]) == 1
    what = "(no checksums are known here)"
    assert capsys.readouterr().out.splitlines() == [
        f"incomplete qwen-image-2.1 Qwen/Qwen-Image-2.1 {what}",
        f"present    danbooru-clip OysterQAQ/DanbooruCLIP {what}",
    ]
    assert main(["models", "list", *named]) == 0
    out = capsys.readouterr().out
    assert "qwen-image-2.1 incomplete: " in out
    assert "danbooru-clip ready: " in out
    tiny_qwen21.save_model(half)
    assert main(["models", "check", *named]) == 0
    assert capsys.readouterr().out.startswith(f"present    qwen-image-2.1 Qwen/Qwen-Image-2.1 {what}")


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
    for part in (
        "cannot fetch yunet",
        "try again with a network, or put it at",
        entry.file,
        "models list yunet",
    ):
        assert part in line
    assert list(models.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["lst"], "unknown action 'lst': did you mean list?"),
        ([], "required: list|fetch|check (pixelsmile"),
        (["list", "--accept-licence"], "--accept-licence is for fetch, not for list"),
        (["list", "--revision", "main"], "--revision is for fetch, not for list"),
        (["fetch", "yunet", "--revision", "main"], "--revision is for one repository, not for yunet"),
        (["fetch", "clip", "pixelsmile", "--revision", "x"], "not for clip, pixelsmile: name one"),
        (["fetch", "clip", "--revision", "a b"], "revision 'a b' is none: give a commit"),
        (["fetch"], "name what to fetch"),
        (["fetch", "yunett"], "unknown model 'yunett': did you mean yunet?"),
        (["list", "resnet50"], "unknown model 'resnet50'"),
        (["fetch", "scrfd", "--accept-license"], "did you mean --accept-licence?"),
    ],
)
def test_slips(arguments, line, capsys):
    assert line in refused(capsys, *arguments)
