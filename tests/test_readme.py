"""What the README tells people to type works, in the order in which it stands there."""

import re
import shlex
from pathlib import Path

import pytest

from pixelsmile.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text()
# They need the real weights, a photograph, pictures made elsewhere, raters, or minutes of training.
NOT_HERE = ("--model Qwen", "group.jpg", "FFE-Bench", "mine", "triplets mead", "runs/ours", "theirs", "study")


def commands() -> list[list[str]]:
    """The `pixelsmile` lines of the README's indented blocks, without their comments."""
    lines = re.findall(r"^    pixelsmile (.+)$", README, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines if not any(text in line for text in NOT_HERE)]


def test_the_commands_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(commands()) >= 8
    for command in commands():
        if command[0] == "portrait":
            (tmp_path / "face.png").unlink(missing_ok=True)
        assert main(command) == 0, f"pixelsmile {shlex.join(command)}: {capsys.readouterr().err}"
    printed = capsys.readouterr().out
    assert "edits/grid.png" in printed
    assert (tmp_path / "twelve" / "grid.png").is_file()
    assert (tmp_path / "truth.json").is_file()
    assert (tmp_path / "runs" / "first" / "report.html").is_file()


def test_the_python_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["portrait", "--seed", "7", "-o", "face.png"]) == 0
    (code,) = re.findall(r"```python\n(.+?)```", README, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "happy.png").is_file()


def test_what_the_readme_points_at_is_there() -> None:
    root = Path(__file__).parent.parent
    mentioned = re.findall(r"\]\(((?!http|#)[^)]+)\)|\b((?:perf|tests)/[\w/]+\.py)\b", README)
    for path in (a or b for a, b in mentioned):
        assert (root / path).exists(), path
