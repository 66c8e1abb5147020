"""A judge by what a person types."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_examples import GEMINI_KEY, OPENAI_KEY, picture_of, question_of

from pixelsmile.errors import InputError
from pixelsmile.expressions import JUDGE_LABELS
from pixelsmile.judges import Budget, NoVerdict, Verdict
from pixelsmile.judges.names import JudgeOptions, parse_judge
from pixelsmile.remote import BudgetSpentError, Limits, RemoteError


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    monkeypatch.setenv("GEMINI_API_KEY", GEMINI_KEY)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("text", "provider", "model", "server"),
    [
        (
            "gemini:gemini-3.1-pro-preview",
            "gemini",
            "gemini-3.1-pro-preview",
            "generativelanguage.googleapis.com",
        ),
        ("openai:gpt-5", "openai", "gpt-5", "api.openai.com"),
        ("openai:qwen2.5vl:7b@http://localhost:11434/v1", "openai", "qwen2.5vl:7b", "localhost"),
        ("openai:org/m@fp8@https://example.org/v1", "openai", "org/m@fp8", "example.org"),
        ("gemini:m@http://127.0.0.1:8000", "gemini", "m", "localhost"),
    ],
)
def test_models_and_their_servers(text, provider, model, server):
    identity = parse_judge(text).identity
    assert (identity.provider, identity.model) == (provider, model)
    assert server in str(identity.parameters["server"])


def test_the_options_reach_the_judge():
    options = JudgeOptions(
        limits=Limits(max_side_px=512, max_output_tokens=99),
        settings={"temperature": None, "seed": 7},
        extra={"top_p": 0.5},
    )
    openai, gemini = (parse_judge(text, options).identity.parameters for text in ("openai:m", "gemini:m"))
    for parameters in (openai, gemini):
        assert parameters["max_side_px"] == 512
        assert parameters["max_output_tokens"] == 99
        assert parameters["temperature"] is None
        assert parameters["seed"] == 7
    assert openai["extra_body"] == {"top_p": 0.5}
    assert gemini["top_p"] == 0.5
    assert parse_judge("openai:m").identity.parameters["temperature"] == 0.0


def test_the_key_may_be_elsewhere(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(RemoteError, match=r"set the environment variable GEMINI_API_KEY or GOOGLE_API_KEY"):
        parse_judge("gemini:m")
    with pytest.raises(RemoteError, match=r"set the environment variable MINE"):
        parse_judge("gemini:m", JudgeOptions(settings={"key_env": "MINE"}))
    monkeypatch.setenv("MINE", GEMINI_KEY)
    judge = parse_judge("gemini:m", JudgeOptions(settings={"key_env": "MINE"}))
    assert GEMINI_KEY not in json.dumps(judge.identity.to_record())


def script(tmp_path, *seeds: int) -> str:
    answer = {"scores": dict.fromkeys(JUDGE_LABELS, 0.25), "dominant": "Neutral"}
    lines = [json.dumps({"picture": picture_of(seed).sha256, "answer": answer}) for seed in seeds]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(lines))
    return f"scripted:{path}"


def test_answers_from_a_file(tmp_path):
    judge = parse_judge(script(tmp_path, 1))
    known, unknown = (asyncio.run(judge.judge(question_of(seed))) for seed in (1, 2))
    assert isinstance(known, Verdict)
    assert (known.dominant, known.scores["happy"]) == ("neutral", 0.25)
    assert isinstance(unknown, NoVerdict)
    assert unknown.reason == "empty"


def test_the_budget_is_for_all_judges_together(tmp_path):
    options = JudgeOptions(budget=Budget(max_requests=1))
    first, second = (parse_judge(script(tmp_path, 1), options) for _ in range(2))
    asyncio.run(first.judge(question_of(1)))
    with pytest.raises(BudgetSpentError):
        asyncio.run(second.judge(question_of(1)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "judge '' is not understood: use photo, embedded, gemini:MODEL"),
        ("gemini", "'gemini' is not understood"),
        ("gemini:", "'gemini:' is not understood"),
        ("claude:m", "'claude:m' is not understood"),
        ("openai:m@http://", "address"),
        ("openai:m@http://[::1", "address is no URL"),
        ("openai:m@http://host:99999/v1", "address is no URL"),
        ("gemini:gemini-3-pro-preview", "was shut down: use gemini:gemini-3.1-pro-preview, which follows it"),
        ("gemini:gemini-2.0-flash", "was shut down: use gemini:gemini-3.5-flash"),
        ("scripted:nowhere.jsonl", r"there is no file 'nowhere\.jsonl': check the path"),
    ],
)
def test_what_is_no_judge(text, said):
    with pytest.raises(InputError, match=said):
        parse_judge(text)


@given(st.one_of(st.text(), st.builds("{}:{}".format, st.sampled_from(("gemini", "openai")), st.text())))
def test_any_words_make_a_judge_or_one_line(text):
    try:
        judge = parse_judge(text)
    except InputError as error:
        said = str(error)
    else:
        said = judge.identity.id.partition(":")[0]
    assert said
    assert len(said.splitlines()) == 1
