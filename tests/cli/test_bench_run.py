"""`pixelsmile bench ffe run`."""

import json
import os
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest
from image_server import KEYS, ImageServer

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "bench_editor.py"


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def bench(arguments: str) -> int:
    return main(["bench", "ffe", "run", *shlex.split(arguments)])


def test_a_run_and_the_same_again(capsys):
    assert bench("--editor copy --samples 2 -s 0 1 --seed 3 -o runs/copy") == 0
    captured = capsys.readouterr()
    first, after = captured.out.splitlines()
    assert first.startswith("runs/copy: 4 edits of 2 samples, in ")
    assert after == "next: pixelsmile bench ffe judge runs/copy"
    assert captured.err == ""
    run = RunFolder(Path("runs/copy"))
    spec = run.spec()
    assert (spec.setting, spec.strengths, spec.seed) == ("linear", (0.0, 1.0), 3)
    assert {task.domain for task in spec.tasks} == {"human", "anime"}
    task = spec.tasks[0]
    edit = run.path / run.edit_name((task.source, task.target, 1.0))
    assert edit.read_bytes() == run.source_file(task.source).read_bytes()  # what `copy` is about

    before = edit.stat().st_mtime_ns
    assert bench("--editor copy --samples 2 -s 0 1 --seed 3 -o runs/copy") == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "runs/copy: 4 edits of 2 samples, finished before: nothing to do"
    )
    assert edit.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--editor copy --paper", "--paper is for --editor pixelsmile, not 'copy'"),
        ("--paper", "add --model Qwen/Qwen-Image-Edit-2511 --adapter PixelSmile/PixelSmile"),
        ("--model geometric --paper", "--paper is for a model that is prompted"),
        ("--model embedded --paper --steps 4 --region face", "--paper decides --steps, --region: leave one"),
        ("--model embedded --paper --step-cache taylor", "--paper decides --step-cache: leave one"),
    ],
)
def test_the_papers_settings_are_decided_by_one_flag(options, words, capsys):
    assert bench(f"{options} -o run") == 2
    assert words in capsys.readouterr().err
    assert not Path("run").exists()


def test_two_processes_make_the_run_of_one(capsys):
    asked = "--editor random-strength --samples 3 -s 0 1"
    assert bench(f"{asked} -o one") == 0
    assert bench(f"{asked} -o two --processes 2") == 0
    assert capsys.readouterr().err == ""
    one, two = (RunFolder(Path(name)) for name in ("one", "two"))
    assert one.holds(two.spec())
    edits, others = one.edits(), two.edits()
    assert {key: edits[key].sha256 for key in edits} == {key: others[key].sha256 for key in others}
    assert bench(f"{asked} -o two") == 0  # it goes on in one
    assert "finished before" in capsys.readouterr().out


def test_general_editing_of_one_domain(capsys):
    assert bench("--editor truth --samples 2 --setting general --domain anime -o run --json") == 0
    record = json.loads(capsys.readouterr().out)
    seconds = record.pop("seconds")
    assert record == {"run": "run", "edits": 2, "made": 2, "new": 2, "failures": {}}
    assert seconds > 0
    spec = RunFolder(Path("run")).spec()
    assert spec.strengths == (1.0,)
    assert {task.domain for task in spec.tasks} == {"anime"}


@pytest.mark.parametrize(
    ("options", "strengths"),
    [
        ("", (0, 0.25, 0.5, 0.75, 1)),
        ("--points 3", (0, 0.5, 1)),
        ("--points 3 --max-strength 1.5", (0, 0.75, 1.5)),
    ],
)
def test_sweeps(options, strengths):
    assert bench(f"--editor copy --samples 1 -q {options} -o run") == 0
    assert RunFolder(Path("run")).spec().strengths == strengths


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--quantization 4bit --device cpu", "needs a GPU"),
        ("--adapter none.safetensors", "no adapter file"),
        ("--steps 2000", "out of range"),
    ],
)
def test_what_needs_no_model_is_refused_before_one_is_fetched(
    options, line, model_folder, capsys, monkeypatch
):
    def fetch(model: str) -> None:
        raise AssertionError("the model is fetched")

    for module in ("editing.model_choice", "editing.engines.qwen", "editors.own"):
        import_module(f"pixelsmile.{module}")  # what is loaded later would keep the other function for good
    monkeypatch.setattr("pixelsmile.editing.folders.find_model", fetch)
    assert bench(f"--model {model_folder} --samples 2 -o run {options}") == 2
    assert line in capsys.readouterr().err


def test_our_editor(model_folder, capsys):
    options = f"--model {model_folder} --device cpu --steps 1 --samples 2 -s 0 1 -o run"
    assert bench(options) == 0
    assert capsys.readouterr().err == ""
    spec = RunFolder(Path("run")).spec()
    assert (spec.editor["name"], spec.editor["steps"], spec.editor["region"]) == ("tiny", 1, "auto")
    assert all(record.file for record in RunFolder(Path("run")).edits().values())


def test_a_command_and_then_its_pictures_as_a_folder(capsys):
    python = shlex.quote(sys.executable)
    command = shlex.quote(f"command:{python} {EXAMPLE}")
    assert bench(f"--editor {command} --samples 2 -s 0 1 -o run") == 0
    assert Path("run/editor.log").read_bytes() == b""
    assert not Path("run/scratch").exists()
    assert bench("--editor folder:run/edits --samples 2 -s 0 1 -o again") == 0
    first, again = (RunFolder(Path(name)).edits() for name in ("run", "again"))
    assert {key: r.sha256 for key, r in first.items()} == {key: r.sha256 for key, r in again.items()}


def test_what_failed_is_counted_by_reason(capsys):
    bench("--editor copy --samples 2 --setting general -o run -q")
    capsys.readouterr()
    assert bench("--editor folder:run/edits --samples 3 -s 0.5 1 -o theirs") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("theirs: 6 edits of 3 samples")
    assert lines[1:] == [
        "4 failed; the same command tries them once more:",
        "  2 x the folder has no picture at this strength, only at 1",
        "  2 x the folder has no picture of this source",
        "next: pixelsmile bench ffe judge theirs",
    ]
    assert bench("--editor folder:run/edits --samples 2 -s 0.5 -o none") == 1
    assert "next" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("benchmark", "editor", "key", "count"),
    [
        ("ffe", "bfl:flux-2-pro@{}", "BFL_API_KEY", 3),
        ("fed", "ark:seedream-4-5-251128@{}/api/v3", "ARK_API_KEY", 6),
    ],
)
def test_a_model_behind_an_address(benchmark, editor, key, count, capsys, monkeypatch):
    """Money for two edits, then for the rest."""
    monkeypatch.setenv(key, KEYS[key])
    setting = ["--setting", "general"] if benchmark == "ffe" else []
    with ImageServer() as server:
        named = ["--editor", editor.format(server.url), "--key-env", key, "--price", "0.04"]
        command = ["bench", benchmark, "run", "--samples", "3", *setting, *named, "-o", "run"]
        assert main([*command, "--max-cost", "0.10", "--max-concurrency", "1"]) == 1
        assert "0.08 of 0.10 dollars" in capsys.readouterr().err
        assert server.met == {"good": 2}
        assert main(command) == 0
        assert server.met == {"good": count}
    assert f"next: pixelsmile bench {benchmark} judge run" in capsys.readouterr().out
    assert len(list(Path("run/edits").rglob("*.png"))) == count
    assert KEYS[key] not in Path("run/spec.json").read_text(encoding="utf-8")


def test_a_folder_of_something_else_is_left_alone(capsys):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    assert bench("--editor copy --samples 1 -o mine") == 2
    assert capsys.readouterr().err == (
        "pixelsmile: 'mine' holds 'notes.txt' and no run: choose an empty folder or a new one\n"
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--editor truht", "unknown editor 'truht': did you mean truth?"),
        ("--editor folder:nowhere", "no folder 'nowhere'"),
        ("--editor 'command:nonesuch-program x'", "no program 'nonesuch-program'"),
        ("--editor copy --model embedded", "--model is for --editor pixelsmile, not 'copy'"),
        ("--editor copy --timeout 3", "--timeout is for --editor command:..."),
        ("--editor copy --max-concurrency 3", "--max-concurrency is for --editor command:..."),
        (
            "--editor command:python --max-cost 3",
            "is for --editor openai-images, gemini-images, bfl, ark, replicate:..., not 'command:python'",
        ),
        (
            "--editor bfl:flux-2-pro@http://localhost:1 --max-cost 3",
            "budget of money (max-cost) needs the price of an edit",
        ),
        ("--editor 'bfl: '", "nothing after the colon: write bfl:MODEL"),
        ("--editor bfl:flux-2-pro", "there is no key: set the environment variable BFL_API_KEY"),
        ("--editor replicate:seededit@http://localhost:1", "write it as OWNER/NAME"),
        ("--max-cost much", "max-cost 'much': use an amount in dollars"),
        ("--model nowhere", "no model folder 'nowhere'"),
        ("--benchmark nowhere", "no benchmark 'nowhere'"),
        ("--setting linaer", "did you mean linear?"),
        ("--setting general -s 1", "leave out -s"),
        ("-s 0 --points 3", "leave out --points"),
        ("-s 0 0", "name one twice"),
        ("-s 3", "out of range"),
        ("--max-strength 0", "the largest strength is 0"),
        ("--points 1", "points 1 is out of range"),
        ("--domain manga", "unknown domain 'manga'"),
        ("--samples 0", "samples 0 is out of range"),
        ("--adaptor x", "did you mean --adapter?"),
    ],
)
def test_refusals_leave_nothing_behind(options, line, capsys):
    editor = "" if "--model" in options or "--editor" in options else "--editor copy"
    assert bench(f"--samples 1 {editor} {options} -o run") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert line in error
    assert list(Path().iterdir()) == []


def test_the_folder_must_be_named_and_writable(capsys):
    assert bench("--editor copy") == 2
    assert "-o/--output" in capsys.readouterr().err
    assert bench("--editor copy --samples 1 -o /proc/here/run") == 2
    assert "cannot write to '/proc/here/run'" in capsys.readouterr().err
