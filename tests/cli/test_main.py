"""The front door: help, versions, exit codes, one line for each refusal."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import pixelsmile
from pixelsmile.cli import main
from pixelsmile.cli.commands import COMMANDS


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command line that is refused with exit code 2."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("pixelsmile: ")
    return captured.err


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_help_names_every_command(arguments, capsys):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(f"  {name.split()[0]} " in out for name in COMMANDS)


BEGINNINGS = ("adapters", "bench", "bench ffe", "bench fed", "bench study", "triplets")


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with suppress(SystemExit):  # argparse's own
        assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("typed", [*COMMANDS, *BEGINNINGS])
def test_every_command_has_help_that_fits(typed, capsys):
    words = typed.split()
    shown = helped(capsys, *words, "--help")
    assert shown.startswith("usage: pixelsmile ")
    assert f"pixelsmile {typed} " in shown or f"pixelsmile {typed}\n" in shown
    assert helped(capsys, "help", *words) == shown
    assert [line for line in shown.splitlines() if len(line) > 100] == []
    if len(words) > 1:
        assert helped(capsys, words[0], "help", *words[1:]) == shown


@pytest.mark.parametrize("asks", ["--version", "-V", "version"])
def test_version(asks, capsys):
    assert main([asks]) == 0
    assert capsys.readouterr().out == f"pixelsmile {pixelsmile.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["edt"], "unknown command 'edt': did you mean edit?"),
        (["--verbose"], "unknown option '--verbose'"),
        (["edit"], "required: PHOTO"),
        (["edit", "a.png", "--strenghts", "1"], "unknown option '--strenghts': did you mean --strengths?"),
        (["edit", "a.png", "b.png"], "nothing to change: add -e happy, --blend"),
        (["edit", "a.png"], "--units jaw_drop=0.4 or --prompt"),
        (["edit", "a.png", "--bogus"], "unknown option '--bogus': leave it out"),
        (["edit", "a.png", "--format", "bmp"], "unknown format 'bmp': choose from png, jpeg, webp"),
        (["edit", "a.png", "--blend", "happy=0,sad=0"], "all weights of blend 'happy=0,sad=0' are 0"),
        (["edit", "a.png", "--units", "jaw_drop=0"], "all of units 'jaw_drop=0' are 0"),
        (["edit", "-e", "happy", "-s", "1", "--", "-e.png"], "there is no file '-e.png'"),
        (["edit", "--", "-e.png", "-e", "happy"], "nothing to change"),
        (["doctor", "--", "-x"], "unexpected argument '-x': leave it out"),
        (["doctor", "a.png"], "unexpected argument 'a.png'"),
        (["edit", "a.png", "-s"], "expected at least one argument"),
        (["portrait", "--domain", "anme"], "unknown domain 'anme': did you mean anime?"),
        (["portrait", "--seed", "x"], "seed 'x' is not a whole number"),
        (["portrait", "--seed", "-1"], "seed -1 is out of range"),
        (["doctor", "--jsn"], "did you mean --json?"),
        (["help", "edt"], "unknown command 'edt': did you mean edit?"),
        (["bench", "fef", "run"], "unknown command 'bench fef run': did you mean ffe run?"),
        (["bench", "ffe", "rn"], "unknown command 'bench ffe rn': did you mean ffe run?"),
        (["triplets", "drw"], "unknown command 'triplets drw': did you mean draw?"),
        (["bench", "--hlp"], "unknown option '--hlp'"),
        (["completion", "bsh"], "unknown shell 'bsh': did you mean bash?"),
    ],
)
def test_slips_get_one_line(arguments, line, capsys):
    assert line in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "kind", "line"),
    [
        (["edit", "none.png", "-e", "happy", "--json"], "ImageError", "there is no file 'none.png'"),
        (["edit", "--json", "none.png", "-e", "hapy"], "ExpressionError", "did you mean happy"),
        (["portrait", "--json", "--sede", "1"], "InputError", "unknown option '--sede'"),
        (["bench", "ffe", "run", "--json"], "InputError", "required: -o"),
        (["edt", "--json"], "InputError", "unknown command 'edt'"),
    ],
)
def test_for_programs_a_refusal_is_json_too(arguments, kind, line, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert set(record) == {"error", "exit_code"}
    assert record["exit_code"] == 2
    assert record["error"]["kind"] == kind
    assert line in record["error"]["message"]
    assert captured.err == f"pixelsmile: {record['error']['message']}\n"


def test_an_interruption_is_json_too(monkeypatch, capsys):
    def interrupted(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("pixelsmile.cli.lists.run_expressions", interrupted)
    assert main(["expressions", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "KeyboardInterrupt"


def test_as_a_module_and_no_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "pixelsmile", "edit", "none.png", "-e", "happy"], capture_output=True
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"pixelsmile: there is no file 'none.png': check the path\n"


def test_a_reader_that_leaves():
    program = [
        sys.executable,
        "-c",
        "import sys; from pixelsmile.cli import main; sys.exit(main(['expressions']))",
    ]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 128 + signal.SIGPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only on Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["expressions"], "the system refuses: "),
        (["expressions", "--json"], "the system refuses: "),
        (["triplets", "check", "none.jsonl", "--json"], "none.jsonl"),
    ],
)
def test_a_full_disk_behind_stdout(words, said, unbuffered):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pixelsmile", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_expressions(capsys):
    assert main(["expressions"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert any(line.startswith("happy ") and "smile" in line for line in lines)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("edit face.png -e happy --adapter none.safetensors", "no adapter file"),
        ("edit face.png -e happy --adapter face.png", "is a picture (PNG)"),
        ("edit face.png -e happy --model nowhere", "no model folder 'nowhere'"),
        ("edit none.png -e happy", "there is no file 'none.png'"),
        ("bench ffe run -o run --adapter none.safetensors", "no adapter file"),
        ("bench ffe run -o run --benchmark nowhere", "there is no benchmark 'nowhere'"),
        ("bench fed run -o run --model nowhere", "no model folder 'nowhere'"),
    ],
)
def test_what_is_not_there_is_refused_before_torch_is_loaded(typed, line, drawn_face):
    shutil.copy(drawn_face, "face.png")
    program = (
        f"import sys; from pixelsmile.cli import main; code = main({typed.split()!r}); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert line in done.stderr
    assert not Path("run").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a stderr that takes nothing is needed")
def test_a_remark_that_cannot_be_printed_costs_nothing_else(tmp_path: Path):
    command = [sys.executable, "-X", "dev", "-m", "pixelsmile", "portrait", "--size", "64", "-o", "a.png"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, cwd=tmp_path, text=True)
        refused = subprocess.run([*command, "--bogus"], stderr=full, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["a.png"])
    assert (tmp_path / "a.png").is_file()
    assert refused.returncode == 2
