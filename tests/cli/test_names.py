"""Names that no console can show, and names that are no text: the work is done, and its record is written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixelsmile.cli import main
from pixelsmile.store.manifests import read_manifest

NAMES = {
    "not UTF-8": b"a\xff",
    "an emoji": "\U0001f600 \u00e9".encode(),
    "a line end": b"two\nlines",
    "an escape": b"\x1b[31mred",
}


@pytest.fixture(params=NAMES.values(), ids=NAMES.keys())
def name(request: pytest.FixtureRequest) -> str:
    text = os.fsdecode(request.param)
    try:
        Path(text).mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    os.chdir(text)
    return text


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The program in a process of its own, whose console knows little."""
    return subprocess.run(
        [sys.executable, "-m", "pixelsmile", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=120,
    )


def test_an_edit(name, model_folder, drawn_face, capsys):
    shutil.copy(drawn_face, f"{name}.png")
    order = ["edit", f"{name}.png", "--model", str(model_folder), "-e", "happy", "-s", "0", "1"]
    assert main([*order, "--grid", "--gif", "-q"]) == 0
    capsys.readouterr()
    assert main([*order, "-o", f"{name}-2", "--json", "-q"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert Path(record["manifest"]) == Path(f"{name}-2", "manifest.json")
    seen = read_manifest(Path(f"{name}-happy", "manifest.json")).inputs[0].path
    assert seen == os.fsencode(f"{name}.png").decode(errors="backslashreplace")


def test_a_benchmark_and_its_pages(name, capsys):
    for editor in ("copy", "truth"):
        run_folder = f"{name}-{editor}"
        assert (
            main(["bench", "ffe", "run", "--samples", "1", "--editor", editor, "-o", run_folder, "-q"]) == 0
        )
        assert main(["bench", "ffe", "judge", run_folder, "--encoders", "none", "-q"]) == 0
    runs = (f"{name}-copy", f"{name}-truth")
    assert main(["bench", "ffe", "report", *runs, "-o", f"{name}.html"]) == 0
    assert main(["bench", "study", "page", *runs, "-o", f"{name}-study.html"]) == 0
    for page in (f"{name}.html", f"{name}-study.html"):
        Path(page).read_bytes().decode()
    capsys.readouterr()
    assert main(["bench", "compare", *runs, "--json"]) == 0
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "console",
    [
        {"LC_ALL": "C"},
        {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252:strict"},
    ],
    ids=["C", "ascii", "cp1252"],
)
def test_a_console_that_cannot_show_them(console):
    name = os.fsdecode(b"\xff\xf0\x9f\x98\x80.png")
    done = run("portrait", "--size", "64", "-o", name, **console)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path(name).is_file()
    assert done.stdout.startswith(b"\xff")  # another program finds the file by it, where the rest is known
    again = run("portrait", "--size", "64", "-o", name, **console)
    assert again.returncode == 2
    assert again.stderr.startswith(b"pixelsmile: ")
    assert again.stderr.count(b"\n") == 1
    assert b"\\udcff" in again.stderr


def test_closed_streams():
    program = f'"{sys.executable}" -m pixelsmile'
    done = subprocess.run(
        ["sh", "-c", f"{program} expressions >&-; {program} nope 2>&-; {program} portrait -o p.png >&- 2>&-"],
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Path("p.png").is_file()
    left = subprocess.run(
        ["sh", "-c", f"{program} edit --help | head -1"], capture_output=True, text=True, check=True
    )
    assert left.stdout.startswith("usage: ")
    assert left.stderr == ""


def test_a_prompt_that_is_no_text(model_folder, drawn_face, capsys):
    shutil.copy(drawn_face, "face.png")
    order = ["edit", "face.png", "--model", str(model_folder), "--prompt", os.fsdecode(b"smile \xff")]
    assert main([*order, "-q"]) == 2
    assert "is no UTF-8 text" in capsys.readouterr().err


def test_folders_of_people_that_nobody_knows(drawn_face, monkeypatch, capsys):
    """A `~` whose home is not known is a name like others, and weights have no place without a home."""
    shutil.copy(drawn_face, "face.png")
    assert main(["likeness", "face.png", "face.png", "--encoders", "~nobody-here/net"]) == 2
    assert "unknown identity encoder '~nobody-here/net'" in capsys.readouterr().err
    assert main(["faces", "face.png", "--detector", "~nobody-here/net.onnx"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    for variable in ("PIXELSMILE_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert main(["models", "list"]) == 2
    assert "set PIXELSMILE_MODELS to a folder" in capsys.readouterr().err
    assert main(["doctor"]) == 0
