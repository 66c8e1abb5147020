"""`pixelsmile triplets draw`, and what the room of the command is called."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixelsmile.cli import main
from pixelsmile.triplets.drawn import MEAD_LEVELS
from pixelsmile.triplets.triplet import read_triplets

SMALL = ("--size", "32", "--workers", "1")


def test_drawn_extended_and_asked_again(capsys):
    assert main(["triplets", "draw", "-n", "1", "-o", "drawn", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("drawn/triplets.jsonl: 1 triplet, 1 of them now, in ")
    assert out.endswith("next: pixelsmile triplets check drawn/triplets.jsonl\n")
    assert err == ""
    assert main(["triplets", "draw", "-n", "2", "-o", "drawn", *SMALL, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["triplets"], record["num_triplets"], record["num_new"]) == ("drawn/triplets.jsonl", 2, 1)
    assert main(["triplets", "draw", "-n", "2", "-o", "drawn", *SMALL]) == 0
    assert "2 triplets, drawn before: nothing to do" in capsys.readouterr().out
    assert len(read_triplets(Path("drawn/triplets.jsonl"))) == 2


def test_what_is_drawn_can_be_chosen():
    options = ("--domain", "anime", "--identities", "1", "--confusing-share", "1", "--neutral-share", "1")
    assert main(["triplets", "draw", "-n", "2", "-o", "a", *SMALL, *options, "--levels", "-q"]) == 0
    triplets = read_triplets(Path("a/triplets.jsonl"))
    assert {triplet.domain for triplet in triplets} == {"anime"}
    assert len({triplet.identity for triplet in triplets}) == 1
    assert {target.strength for item in triplets for target in (item.a, item.b)} <= set(MEAD_LEVELS)
    plan = json.loads(Path("a/plan.json").read_text())
    assert (plan["confusing_share"], plan["neutral_share"], plan["size_px"]) == (1, 1, 32)
    assert main(["triplets", "draw", "-n", "1", "-o", "b", *SMALL, "--strengths", "0.5", "0.5", "-q"]) == 0
    assert json.loads(Path("b/plan.json").read_text())["strengths"] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["drow"], "unknown command 'triplets drow': did you mean draw?"),
        (["--json"], "unknown option '--json'"),
        (["draw"], "required: -o/--output"),
        (["draw", "-o", "x", "-n", "0"], "number of triplets 0 is out of range"),
        (["draw", "-o", "x", "--domain", "anme"], "unknown domain 'anme': did you mean anime?"),
        (["draw", "-o", "x", "--size", "16"], "size 16 is out of range"),
        (["draw", "-o", "x", "--workers", "0"], "workers 0 is out of range"),
        (["draw", "-o", "x", "--strengths", "0.9,0.1"], "put the lower one first"),
        (["draw", "-o", "x", "--strengths", "0.9"], "wants LOW and HIGH, not 1 numbers"),
        (
            ["draw", "-o", "x", "--strengths", "0", "nan"],
            "strength nan is out of range: use 0 (neutral) through 1",
        ),
        (["draw", "-o", "x", "--confusing-share", "2"], "share '2' is no number from 0 to 1"),
        (["draw", "-o", "x", "--levels", "--strengths", "0", "1"], "leave out --strengths"),
        (["draw", "-o", "file"], "cannot write to 'file'"),
        (["draw", "-o", "full"], "'full' holds 'a' and no run"),
        (["draw", "-o", "drawn", "--size", "33", "-n", "2"], "was begun with size_px = 32, not 33"),
        (
            ["draw", "-o", "drawn", "--size", "32", "--domain", "anime"],
            "domains = ['human', 'anime'], not ['a",
        ),
        (["draw", "-o", "drawn", "--size", "32", "-n", "1"], "holds 2 triplets, more than 1, and none are"),
    ],
)
def test_refusals_are_one_line(arguments, line, capsys):
    Path("file").touch()
    Path("full").mkdir()
    Path("full/a").touch()
    if "drawn" in arguments:
        assert main(["triplets", "draw", "-n", "2", "-o", "drawn", *SMALL, "-q"]) == 0
        capsys.readouterr()
    assert main(["triplets", *arguments]) == 2
    out, err = capsys.readouterr()
    assert line in err
    assert err.count("\n") == 1
    assert out == "" or "--json" in arguments
    assert not Path("x").exists()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes here")
def test_interrupted_it_says_so_once_and_goes_on(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pixelsmile",
        "triplets",
        "draw",
        "-n",
        "3000",
        "-o",
        "drawn",
        *SMALL[:2],
    ]
    process = subprocess.Popen(
        [*command, "--workers", "2"],
        start_new_session=True,
        preexec_fn=_interruptible,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = Path("drawn/triplets.partial.jsonl")
    while process.poll() is None and not (lines.exists() and lines.stat().st_size):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
    _, err = process.communicate()
    assert process.returncode == 130
    said, interrupted = err.splitlines()
    assert said.startswith("pixelsmile: the same command goes on after ")
    assert interrupted == "pixelsmile: interrupted"
    num_drawn = lines.read_bytes().count(b"\n")
    assert main(["triplets", "draw", "-n", str(num_drawn + 1), "-o", "drawn", *SMALL, "-q"]) == 0
    assert len(read_triplets(Path("drawn/triplets.jsonl"))) == num_drawn + 1


def _interruptible() -> None:
    """A shell may have started the tests in the background, where interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
