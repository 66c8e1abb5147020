"""`pixelsmile bench fed run`, `judge` and `report`, as a user types them."""

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
from benchmarks.fed_run_examples import TRIPLETS, begin_fed_run, write_fed_run
from benchmarks.run_examples import begin_run, make_edits

from pixelsmile.benchmarks.fed.results import load_fed_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.runner import sample_seed
from pixelsmile.cli import main


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def bench(command: str) -> int:
    return main(["bench", "fed", *shlex.split(command)])


def refusal(capsys, command: str) -> str:
    assert bench(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


def test_truth_and_copy_end_to_end(capsys):
    """All embedded: what the numbers must say of the best edit, and of none at all."""
    for editor in ("truth", "copy"):
        assert bench(f"run --editor {editor} --samples 1 --domain human -q -o {editor}") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: pixelsmile bench fed judge copy"
    for editor in ("truth", "copy"):
        assert bench(f"judge {editor}") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{editor}: 2 tasks"
        assert lines[1].startswith("embedded:")
        assert [line.strip() for line in lines[2:]] == [
            *(f"{label:<3}  2 scored" for label in ("ID", "BG", "PQ", "SC", "GTA", "REG")),
            "all six: 2 of 2",
            f"next: pixelsmile bench fed report {editor}",
        ]
    assert bench("report truth copy -o report.html") == 0
    captured = capsys.readouterr()
    assert "reconstructed" in captured.out
    assert "published:" not in captured.out
    assert Path("report.html").stat().st_size > 10_000
    numbers = {
        editor: {
            name: figure["value"]
            for name, figure in json.loads(Path(f"{editor}/report.json").read_bytes())["summary"][
                "overall"
            ].items()
        }
        for editor in ("truth", "copy")
    }
    assert numbers["truth"]["gain"] == 1
    assert numbers["truth"]["alignment"] > 0.9
    assert numbers["truth"]["fed_score"] > 0.8
    assert numbers["copy"]["background"] == numbers["copy"]["gain"] == 0
    assert numbers["copy"]["identity"] == pytest.approx(1)
    assert numbers["copy"]["alignment"] < 0.3
    assert numbers["copy"]["fed_score"] < 0.1


def test_damage_is_left_out_as_long_as_nobody_looked_for_it(capsys):
    assert bench("run --editor truth --samples 1 --instructions simple --domain human -q -o run") == 0
    assert bench("judge run --no-damage --representation none -q") == 0
    assert not Path("run/scores/damage.json").exists()
    assert load_fed_results(RunFolder(Path("run"))).damage is None
    assert bench("judge run --representation none -q") == 0
    assert load_fed_results(RunFolder(Path("run"))).damage is not None
    capsys.readouterr()
    assert "'run' before, and stays a part of its PQ" in refusal(capsys, "judge run --no-damage")


def test_our_editor_with_the_class_or_with_the_words(model_folder, capsys):
    options = f"--model {model_folder} --device cpu --steps 1 --samples 1 --domain anime"
    assert bench(f"run {options} -o class") == 0
    assert bench(f"run {options} --tell instruction --instructions simple -o words") == 0
    assert capsys.readouterr().err == ""
    by_class, by_words = (RunFolder(Path(name)) for name in ("class", "words"))
    assert (by_class.spec().editor["told"], by_words.spec().editor["told"]) == ("expression", "instruction")
    assert [task.granularity for task in by_words.spec().tasks] == ["simple"]
    dense, simple = by_class.edits().values()
    assert dense.sha256 == simple.sha256 not in (None, next(iter(by_words.edits().values())).sha256)
    assert bench(f"run {options} -o class") == 0
    assert "finished before" in capsys.readouterr().out


def test_neutral_is_a_target(model_folder):
    """It is strength 0 of any expression."""
    from pixelsmile.editing.editor import Editor
    from pixelsmile.images import load_image

    assert (
        bench(f"run --model {model_folder} --device cpu --steps 1 --samples 6 --instructions simple -o run")
        == 0
    )
    folder = RunFolder(Path("run"))
    (task,) = [task for task in folder.spec().tasks if task.target == "neutral"]
    edit = folder.edits()[task.source, "neutral", 1.0]
    editor = Editor.from_pretrained(str(model_folder), device="cpu")
    source = load_image(folder.source_file(task.source))
    seed = sample_seed(0, task.triplet)
    how = {"steps": 1, "seed": seed, "domain": task.domain, "restore": False}
    result = editor.edit(source, "happy", strengths=[0.0], **how)
    assert load_image(folder.path / edit.file).tobytes() == result.images[0].tobytes()


def test_a_budget_stops_and_the_rest_can_follow(tmp_path, capsys):
    begin_fed_run(tmp_path / "run", TRIPLETS[:2])
    Path("answers.jsonl").write_text("")
    words = (
        "judge run --judge scripted:answers.jsonl --encoders none --detector cascade --representation none"
    )
    assert bench(f"{words} --max-requests 2 --max-concurrency 1") == 1
    printed = capsys.readouterr().out
    assert "run: 4 tasks, 1 of them without an edit" in printed
    assert "REG by nothing" in printed
    assert "1 without: the benchmark has no dense instruction" in printed
    assert "stopped with" in printed
    assert "the budget is spent: 2 of 2 requests" in printed
    assert bench(words) == 1, "no question is in the script"
    assert capsys.readouterr().out.endswith(
        "no edit has a mark: mend what is said above, then give the same command again\n"
    )
    assert bench(f"{words} --json") == 1
    (found,) = json.loads(capsys.readouterr().out)["judges"]
    assert found["components"]["quality"]["unscored"]["the judge gave no answer"] == 3
    assert (found["stopped"], found["num_scored"], found["num_made"]) == (None, 0, 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return write_fed_run(tmp_path_factory.mktemp("runs") / "run").path


def test_the_report_of_a_run_with_gaps(made, capsys):
    shutil.copytree(made, "run")
    assert bench("report run --classes --published --encoders adaface") == 0
    captured = capsys.readouterr()
    results = load_fed_results(
        RunFolder(Path("run")), encoders=["adaface"], bootstrap=Bootstrap(num_replicates=100)
    )
    score = results.summary.overall["fed_score"].estimate.value
    assert f"FED-Score  {score:.3f}" in captured.out
    assert "unscored: 2 x no face found" in captured.out
    assert "published: FED-Bench, table 1" in captured.out
    assert "not comparable directly" in captured.out
    assert "InstructPix2Pix" in captured.out
    assert "odd, by class" in captured.out
    assert captured.out.splitlines()[-2:] == ["run/report.json", "run/report.html"]
    first = Path("run/report.json").read_bytes()
    assert bench("report run --encoders adaface") == 0
    assert Path("run/report.json").read_bytes() == first


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("run --editor halve -o run", "unknown editor 'halve': did you mean half?"),
        ("run --editor exaggerated -o run", "unknown editor 'exaggerated'"),
        ("run --editor copy --tell instruction -o run", "--tell is for --editor pixelsmile"),
        ("run --editor copy --sources here -o run", "sources are for the folder of hiixfj/FED-Bench"),
        ("run --editor copy --instructions dnse -o run", "did you mean dense?"),
        ("run --editor copy --benchmark nowhere -o run", "no benchmark 'nowhere'"),
        ("run --editor copy --setting linear -o run", "unknown option '--setting'"),
        ("judge nowhere", "holds no run"),
        ("judge x --representation smile", "unknown representation 'smile'"),
        ("judge x --representation landmarks=5", "only embedding takes a model"),
        ("report nowhere", "holds no run"),
        ("report a b", "add -o report.html"),
        ("report a --normalisation 9", "normalisation '9' is unknown"),
        ("rnu", "unknown command 'bench fed rnu': did you mean fed run?"),
    ],
)
def test_slips_get_one_line_and_write_nothing(command, line, capsys):
    assert line in refusal(capsys, command)
    assert list(Path().iterdir()) == []


def test_runs_of_the_other_benchmark_are_sent_there(tmp_path, capsys):
    make_edits(begin_run(tmp_path / "ffe"))
    assert "use `pixelsmile bench ffe ...`" in refusal(capsys, "judge ffe")
    begin_fed_run(tmp_path / "fed", TRIPLETS[:1])
    assert main(["bench", "ffe", "judge", "fed"]) == 2
    assert "use `pixelsmile bench fed ...`" in capsys.readouterr().err


def test_photographs_have_a_judge_of_their_own(tmp_path, capsys):
    begin_fed_run(tmp_path / "fed", TRIPLETS[:1])
    assert bench("judge fed --encoders none") == 0
    printed = capsys.readouterr().out
    assert "photo:seven-classes:" in printed
    assert "  right on 0." in printed


@pytest.mark.parametrize("command", ["run", "judge", "report"])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        bench(f"{command} --help")
    assert stop.value.code == 0
    assert f"pixelsmile bench fed {command}" in capsys.readouterr().out
