"""Repositories of the hub: which commit, whole or not, in a cache as the hub's client lays it out."""

from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from pixelsmile.editing.acceleration import PRESETS
from pixelsmile.errors import InputError, ModelError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.store.hub import (
    REPOSITORIES,
    RemoteFile,
    Repository,
    check_revision,
    downloaded,
    fetched,
    pinned,
    revision_of,
)

CONTENT = b"the published bytes"
OTHER = "a" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def entry() -> Repository:
    files = tuple(
        RemoteFile(name, len(CONTENT), sha256_bytes(CONTENT)) for name in ("a/x.safetensors", "y.bin")
    )
    return replace(REPOSITORIES["pixelsmile"], files=files)


def put(cache: Path, entry: Repository, commit: str, branch: str = "main", **contents: bytes) -> Path:
    """The repository's folder in the cache: blobs, links to them, and what a branch is."""
    root = cache / f"models--{entry.repository.replace('/', '--')}"
    for file in entry.files:
        content = contents.get(Path(file.path).stem, CONTENT)
        blob, link = root / "blobs" / sha256_bytes(content), root / "snapshots" / commit / file.path
        blob.parent.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(blob)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / branch).write_text(commit)
    return root / "snapshots" / commit


def test_the_table_is_sound() -> None:
    for name, entry in REPOSITORIES.items():
        assert entry.name == name
        assert entry.repository.count("/") == 1
        assert entry.is_pinned == (set(entry.revision) <= set("0123456789abcdef"))
        assert entry.licence.url.startswith("https://")
        assert all(len(file.sha256) == 64 and file.size_bytes > 0 for file in entry.files)
        assert len({file.path for file in entry.files}) == len(entry.files)
        assert pinned(entry.repository) == entry.revision
    assert pinned("some/other") is None


def test_the_published_adapter_has_the_size_of_the_references_layers() -> None:
    """Rank 64, twelve layers in each of 60 blocks, 16 bits; the rest is the header of 1440 tensors."""
    width = 3072
    attention, mlp = 8 * 2 * width, 4 * (width + 4 * width)
    header = REPOSITORIES["pixelsmile"].size_bytes - 2 * 60 * 64 * (attention + mlp)
    assert 100 * 1440 < header < 200 * 1440


def test_the_presets_adapters_are_files_of_the_table() -> None:
    """Each alone: the other one of the repository need not be there."""
    for name, preset in PRESETS.items():
        entry = REPOSITORIES[name]
        (file,) = entry.files
        assert preset.adapter == f"{entry.repository}/{file.path}"
        assert f"-{preset.steps}steps-" in file.path
        assert entry.patterns == (file.path,)
        assert entry.is_pinned
    assert REPOSITORIES["lightning-4"].files != REPOSITORIES["lightning-8"].files


def test_what_is_not_there_is_absent(cache: Path, entry: Repository) -> None:
    assert (entry.state(), entry.folder()) == ("absent", None)
    assert [state for _, state in entry.check()] == ["absent", "absent"]
    put(cache, entry, OTHER)
    assert entry.state() == "absent"  # another commit is not this one
    assert downloaded(entry.repository, "main") == downloaded(entry.repository, OTHER)


def test_whole_cut_short_and_damaged(cache: Path, entry: Repository) -> None:
    folder = put(cache, entry, entry.revision)
    assert (entry.state(), entry.folder()) == ("ready", folder)
    assert [state for _, state in entry.check()] == ["ready", "ready"]
    assert revision_of(folder) == entry.revision
    damaged = (folder / "y.bin").resolve()
    damaged.write_bytes(CONTENT[:-1] + b"!")
    (folder / "a" / "x.safetensors").unlink()
    (folder / "a" / "x.safetensors").symlink_to(damaged)
    assert entry.state() == "ready"  # by sizes
    assert [state for _, state in entry.check()] == ["damaged", "damaged"]
    damaged.write_bytes(CONTENT[:-1])
    assert entry.state() == "incomplete"
    assert [state for _, state in entry.check()] == ["incomplete", "incomplete"]
    (folder / "y.bin").unlink()
    assert [state for _, state in entry.check()] == ["incomplete", "absent"]


def test_a_folder_of_ones_own_has_no_revision(tmp_path: Path) -> None:
    assert revision_of(tmp_path) is None
    assert revision_of(tmp_path / "snapshots" / "main") is None


def test_it_is_fetched_at_its_commit_unless_another_is_named(
    cache: Path, entry: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def snapshot(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, tuple(allow_patterns)))
        return "there"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert entry.fetch() == entry.fetch("v2") == Path("there")
    fetched("some/model", ["*"])
    fetched(f"{entry.repository}@{OTHER}", ["*"])
    assert [revision for _, revision, _ in asked] == [entry.revision, "v2", None, OTHER]
    assert asked[0][2] == entry.patterns


def test_without_a_network_another_commit_that_is_here_is_named(cache: Path, entry: Repository) -> None:
    with pytest.raises(ModelError, match="cannot fetch pixelsmile 'PixelSmile/PixelSmile'") as refused:
        entry.fetch()
    assert "which is here" not in str(refused.value)
    put(cache, entry, OTHER)
    with pytest.raises(ModelError, match=f"or PixelSmile/PixelSmile@{OTHER}, which is here") as refused:
        entry.fetch()
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize("revision", ["", "two words", "x" * 101])
def test_what_is_no_revision(revision: str) -> None:
    with pytest.raises(InputError, match="give a commit, a tag or a branch"):
        check_revision(revision)
