"""`pixelsmile bench ffe judge`, as a user meets it."""

import json
from pathlib import Path

import pytest
from benchmarks.run_examples import begin_run, make_edits
from benchmarks.tiny_encoders import write_encoder

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import judge_stem, judges_of
from pixelsmile.benchmarks.scorers.scorer import score_records
from pixelsmile.benchmarks.scores import IDENTITY
from pixelsmile.cli import main
from pixelsmile.expressions import JUDGE_LABELS
from pixelsmile.judges import Picture
from pixelsmile.remote import NOTHING, Failure, ScriptedProvider


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """Eight edits in the folder `run`."""
    folder = begin_run(tmp_path / "run", strengths=[1.0])
    make_edits(folder)
    return folder


@pytest.fixture
def script(folder) -> str:
    """Answers about all edits but the last one."""
    answer = {"scores": dict.fromkeys(JUDGE_LABELS, 0.25), "dominant": "Neutral"}
    files = [folder.path / edit.file for edit in folder.edits().values()]
    lines = [json.dumps({"picture": Picture.read(file).sha256, "answer": answer}) for file in files[:-1]]
    path = folder.path.parent / "answers.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return "scripted:answers.jsonl"


def judge(*arguments: str) -> int:
    return main(["bench", "ffe", "judge", "run", *arguments])


def refusal(capsys, *arguments: str) -> str:
    assert judge(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("pixelsmile: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_judged_and_measured(folder, script, tmp_path, capsys):
    write_encoder(tmp_path / "mine", "arcface")
    assert judge("--judge", script, "--encoders", "mine", "--detector", "embedded", "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run: 8 edits"
    assert lines[1] == "likeness: 8 measured (arcface; faces found by embedded)"
    assert lines[2].startswith("scripted:")
    assert lines[2].endswith(": 7 judged (8 now)")
    assert lines[3] == "  1 without: the judge gave no answer (as the question is not in answers.jsonl)"
    assert lines[4] == "next: pixelsmile bench ffe report run"
    assert len(score_records(folder, IDENTITY)) == 8


def test_again_there_is_little_to_do(folder, script, capsys):
    assert judge("--judge", script, "--encoders", "none", "-q") == 0
    capsys.readouterr()
    assert judge("--judge", script, "--encoders", "none", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["likeness"] is None
    assert (found["num_edits"], found["num_made"]) == (8, 8)
    (one,) = found["judges"]
    assert (one["num_judged"], one["num_new"], one["stopped"]) == (7, 1, None)
    assert one["unscored"] == {"the judge gave no answer": 1}
    assert one["examples"] == {"the judge gave no answer": "the question is not in answers.jsonl"}


def test_a_budget_stops_and_the_rest_can_follow(folder, script, capsys):
    assert (
        judge("--judge", script, "--encoders", "none", "--max-requests", "3", "--max-concurrency", "1") == 1
    )
    printed = capsys.readouterr().out
    assert ": 3 judged (3 now)" in printed
    assert "  5 without: not judged yet" in printed
    assert "  stopped with 5 edits left: the budget is spent: 3 of 3 requests" in printed
    assert (
        "next: the same command with a larger budget for the rest, or pixelsmile bench ffe report run"
        in printed
    )
    assert judge("--judge", script, "--encoders", "none") == 0
    assert ": 7 judged (5 now)" in capsys.readouterr().out


def test_several_judges_and_a_shared_cache(folder, script, capsys, tmp_path):
    other = tmp_path / "others.jsonl"
    other.write_text((tmp_path / "answers.jsonl").read_text() + "\n")
    words = ["--judge", script, "--judge", "scripted:others.jsonl", "--encoders", "none"]
    assert judge(*words, "--cache", "all.sqlite", "--json") == 0
    assert [one["num_judged"] for one in json.loads(capsys.readouterr().out)["judges"]] == [7, 7]
    assert (tmp_path / "all.sqlite").exists()
    assert not (folder.path / "verdicts.sqlite").exists()
    assert len(judges_of(folder)) == 2


def refusing(script: str):
    """Answers as a server that refuses the first picture of the script."""
    answers = [json.loads(line) for line in Path(script.partition(":")[2]).read_text().splitlines()]
    picture = answers[0]["picture"]

    def ask(question):
        if question.sha256 == picture:
            return Failure("400: inappropriate", refused="picture", usage=NOTHING)
        return json.dumps(answers[-1]["answer"])

    return ask


def test_a_refused_picture_is_left_out_and_asked_about_again_if_wanted(folder, script, capsys, monkeypatch):
    asked = []

    def from_file(path):
        ask = refusing(script)
        return ScriptedProvider(lambda question: asked.append(question.sha256) or ask(question), version="v")

    monkeypatch.setattr(ScriptedProvider, "from_file", from_file)
    assert judge("--judge", script, "--encoders", "none") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith(": 7 judged (8 now)")
    assert lines[3] == "  1 without: the judge refused (as 400: inappropriate)"
    assert judge("--judge", script, "--encoders", "none") == 0
    assert ": 7 judged (0 now)" in capsys.readouterr().out
    assert len(asked) == 8
    assert judge("--judge", script, "--encoders", "none", "--ask-again") == 0
    assert ": 7 judged (1 now)" in capsys.readouterr().out
    assert len(asked) == 9


def test_several_refusals_stop_and_keep_what_is_done(folder, script, capsys, monkeypatch):
    answer = json.dumps({"scores": dict.fromkeys(JUDGE_LABELS, 0.25), "dominant": "Neutral"})
    never = Failure("400: inappropriate", refused="picture", usage=NOTHING)
    said = iter([answer, answer, never, never, never])
    provider = ScriptedProvider(lambda question: next(said), version="v")
    monkeypatch.setattr(ScriptedProvider, "from_file", lambda path: provider)
    line = refusal(
        capsys, "--judge", script, "--encoders", "none", "--max-concurrency", "1", "--max-refusals", "3"
    )
    assert "3 questions in a row were refused (400: inappropriate)" in line
    (judged,) = judges_of(folder)
    assert len(score_records(folder, judge_stem(judged))) == 4


def test_edits_that_were_not_made_are_said(tmp_path, capsys):
    folder = begin_run(tmp_path / "run", strengths=[0.5, 1.0])
    make_edits(folder)
    (tmp_path / "answers.jsonl").write_text("")
    assert judge("--judge", "scripted:answers.jsonl", "--encoders", "none") == 1
    out = capsys.readouterr().out
    assert out.startswith("run: 16 edits, 1 of them not made\n")
    assert out.endswith("no edit has a verdict: mend what is said above, then give the same command again\n")


def test_no_run_and_no_edits(capsys, tmp_path):
    assert "holds no run" in refusal(capsys)
    assert not (tmp_path / "run").exists()
    begin_run(tmp_path / "run")
    assert "has no edits: let `pixelsmile bench ffe run` make some first" in refusal(capsys)


def others(tmp_path, domain) -> RunFolder:
    """The same edits in a run of a benchmark of others, of people or all of anime."""
    spec = begin_run(tmp_path / "drawn", strengths=[1.0]).spec()
    tasks = tuple(task.model_copy(update={"domain": domain}) for task in spec.tasks)
    folder = RunFolder(tmp_path / "run")
    folder.begin(spec.model_copy(update={"benchmark": {"name": "FFE-Bench"}, "tasks": tasks}))
    make_edits(folder)
    return folder


def test_photographs_have_a_judge_of_their_own(tmp_path, capsys):
    folder = others(tmp_path, "human")
    assert judge("--encoders", "none", "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)["judges"]
    assert one["judge"].startswith("photo:")
    assert one["remark"].startswith("right on ")
    targets = {task.target for task in folder.spec().tasks}
    assert targets - {"happy", "sad", "angry", "fear", "disgust", "surprised"}
    assert "it does not judge " in one["examples"]["the judge does not know such pictures"]
    assert judge("--encoders", "none") == 0
    assert "  right on 0." in capsys.readouterr().out


def test_pictures_that_nobody_here_knows_want_a_judge(tmp_path, capsys):
    folder = others(tmp_path, "anime")
    said = refusal(capsys)
    assert "--judge photo, embedded, gemini:MODEL" in said
    assert "GEMINI_API_KEY" in said
    (tmp_path / "answers.jsonl").write_text("")
    assert "know drawn portraits only" in refusal(
        capsys, "--judge", "scripted:answers.jsonl", "--encoders", "embedded"
    )
    assert judges_of(folder) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--judge", "gimini:x"], "judge 'gimini:x' is not understood: use photo, embedded"),
        (["--encoders", "none", "mine"], "--encoders none stands alone"),
        (["--temperature", "3"], "temperature '3': use a number from 0 to 2, or `model`"),
        (["--temperature", "0.5"], "--temperature is for judges behind a server"),
        (["--extra", "[1]"], "--extra '[1]' is no JSON object"),
        (["--extra", "{"], "--extra '{' is no valid JSON"),
        (["--extra", '{"a": NaN}'], "NaN is no JSON"),
        (["--extra", '{"a":' * 9999], "is no valid JSON (too many lists and objects in one another)"),
        (
            ["--judge", "openai:m", "--key-env", "X", "--extra", '{"stream": true}'],
            "stream is not to be changed",
        ),
        (["--judge", "openai:m", "--judge", "gemini:m", "--key-env", "X"], "--key-env is for one server"),
        (["--judge", "gemini:gemini-3-pro-preview"], "use gemini:gemini-3.1-pro-preview, which follows it"),
        (["--max-refusals", "0"], "max-refusals 0 is out of range"),
        (["--max-concurrency", "0"], "max-concurrency 0 is out of range"),
        (["--max-token", "5"], "did you mean --max-tokens?"),
        (["--judge", "gemini:m"], "set the environment variable GEMINI_API_KEY"),
    ],
)
def test_wrong_words(folder, script, arguments, said, capsys, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setenv("X", "a-key-for-nobody")
    words = arguments if "--judge" in arguments else ["--judge", script, *arguments]
    assert said in refusal(capsys, *words)


def test_the_help_names_every_judge(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "ffe", "judge", "--help"])
    printed = capsys.readouterr().out
    for word in ("embedded", "gemini:MODEL", "openai:MODEL@ADDRESS", "scripted:FILE", "--max-requests"):
        assert word in printed
