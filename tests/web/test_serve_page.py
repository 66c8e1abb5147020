"""What docs/serve.md says works as it is typed: curl, and the openai library."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from web.conftest import Running

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"


def blocks() -> list[tuple[str, str]]:
    spec = importlib.util.spec_from_file_location("walk_of_serve", ROOT / "docs" / "walk.py")
    assert spec is not None
    walk = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = walk  # dataclasses look their module up
    spec.loader.exec_module(walk)
    return [(block.language, block.text) for block in walk.blocks(ROOT / "docs" / "serve.md")]


def size_of(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(photographs: Running, folder: Path) -> None:
    (text,) = (text for language, text in blocks() if language == "sh" and "-F image" in text)
    script = text.replace(ADDRESS, photographs.url).replace("python -c", f"{sys.executable} -c")
    done = subprocess.run(["bash", "-e", "-c", script.replace("curl ", "curl --fail ")], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert size_of("edit.png") == (300, 300)
    assert Path("three.json").read_text().count("b64_json") == 3
    assert Path("sweep.txt").read_text().count("event: sweep.picture") == 5


def test_the_openai_library(photographs: Running, folder: Path) -> None:
    (text,) = (text for language, text in blocks() if language == "python")
    names: dict[str, Any] = {}
    exec(compile(text.replace(ADDRESS, photographs.url), "serve.md", "exec"), names)
    names["client"].close()
    assert size_of("smile-0.5.png") == size_of("smile-1.0.png") == (300, 300)
