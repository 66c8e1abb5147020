"""What a shell offers when TAB is pressed, asked as bash asks it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixelsmile.cli import main


def offered(line: str) -> list[str]:
    """The completions of a line whose end is the cursor."""
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pixelsmile"],
        env={**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": "offered"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert loaded & {"torch", "diffusers", "transformers", "skia", "PIL", "numpy"} == set()
    return Path("offered").read_text().split("\n") if Path("offered").exists() else []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pixelsmile be", ["bench "]),
        ("pixelsmile help be", ["bench "]),
        ("pixelsmile bench ", ["ffe", "fed", "compare", "plan", "leaderboard", "study"]),
        ("pixelsmile bench ffe ", ["run", "judge", "report"]),
        ("pixelsmile bench ffe run --b", ["--benchmark "]),
        ("pixelsmile triplets draw --wor", ["--workers "]),
        ("pixelsmile edit --gr", ["--grid "]),
        ("pixelsmile edit --gi", ["--gif "]),
        ("pixelsmile edit face.png -e hap", ["happy "]),
        ("pixelsmile edit face.png -e happy,sa", ["happy,sad "]),
        ("pixelsmile edit face.png --dtype f", ["float32", "float16"]),
        ("pixelsmile models fetch yun", ["yunet "]),
        ("pixelsmile edit face.png --editor seedr", ["seedream-4.5", "seedream-4.0"]),
        ("pixelsmile editors show bag", ["bagel "]),
        ("pixelsmile train emb", ["embedded "]),
        ("pixelsmile train embedded --set checkpoints.", ["checkpoints.every=", "checkpoints.keep="]),
        ("pixelsmile nope ", []),
    ],
)
def test_tab_offers(line, words):
    assert offered(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_evaluates(shell, capsys):
    assert main(["completion", shell]) == 0
    code = capsys.readouterr().out
    assert "pixelsmile" in code
    assert "_ARGCOMPLETE" in code


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_in_bash(tmp_path, capsys):
    """The code that is printed, in a bash whose `pixelsmile` is this one."""
    assert main(["completion", "bash"]) == 0
    program = tmp_path / "pixelsmile"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pixelsmile "$@"\n')
    program.chmod(0o755)
    script = f"""{capsys.readouterr().out}
COMP_LINE='pixelsmile edit face.png -e hap' COMP_POINT=31 COMP_TYPE=9
COMP_WORDS=(pixelsmile edit face.png -e hap) COMP_CWORD=4
_python_argcomplete pixelsmile hap -e
echo "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["happy"], done.stderr
