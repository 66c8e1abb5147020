"""A command line in an empty folder, with a portrait and a tiny model."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from editing.conftest import model_folder

from pixelsmile.cli import main

__all__ = ["model_folder"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def drawn_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "face.png"
    assert main(["portrait", "--domain", "anime", "--size", "96", "-o", str(path)]) == 0
    return path


@pytest.fixture
def edit(model_folder: Path, drawn_face: Path) -> Callable[..., int]:
    """`pixelsmile edit face.png` on the tiny model; face.png lies in the current folder."""
    shutil.copy(drawn_face, "face.png")

    def run(*arguments: str) -> int:
        return main(["edit", "face.png", "--model", str(model_folder), *arguments])

    return run
