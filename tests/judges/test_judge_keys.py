"""Keys are read from the environment, and show nowhere: not in output, logs, caches, errors or reprs."""

import logging
import pickle
import traceback

import pytest
from judge_examples import GEMINI_KEY, OPENAI_KEY, PROVIDERS, judge_at, samples_of
from judge_server import JudgeServer, at_random

from pixelsmile.judges import GeminiProvider, JudgeError, JudgingRun, ModelJudge, OpenAIProvider, VerdictCache
from pixelsmile.judges.keys import ApiKey, read_key

KEYS = {"openai": OPENAI_KEY, "gemini": GEMINI_KEY}


def test_where_keys_come_from(monkeypatch):
    assert read_key(["GEMINI_API_KEY", "GOOGLE_API_KEY"]).reveal() == GEMINI_KEY
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(JudgeError, match="set the environment variable GEMINI_API_KEY or GOOGLE_API_KEY"):
        GeminiProvider("m")
    monkeypatch.setenv("GOOGLE_API_KEY", " key-of-google ")
    assert read_key(["GEMINI_API_KEY", "GOOGLE_API_KEY"]).reveal() == "key-of-google"
    with pytest.raises(JudgeError, match="MINE"):
        GeminiProvider("m", key_env="MINE")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(JudgeError, match="OPENAI_API_KEY"):
        OpenAIProvider("m")
    monkeypatch.setenv("OPENAI_API_KEY", "two\nlines-of-secret")
    with pytest.raises(JudgeError, match="characters") as caught:
        OpenAIProvider("m")
    assert "secret" not in str(caught.value)


def test_openai_s_key_goes_to_openai_alone():
    with JudgeServer() as server:
        list(JudgingRun(ModelJudge(OpenAIProvider("m", base_url=f"{server.url}/v1")), samples_of(1)))
    assert server.headers[0]["authorization"] == "Bearer none"


def test_a_key_does_not_show_itself():
    key = ApiKey("secret-0123456789", "X")
    assert f"{key} {key!r} {[key]}".count("secret") == 0
    assert key.redact("a secret-0123456789 b") == "a [key] b"
    assert ApiKey("none", "X").redact("none of it") == "none of it"
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(key)


class Echo(JudgeServer):
    """Repeats the key in whatever it says."""

    def __init__(self, kind: str, decide) -> None:
        super().__init__(decide)
        self.kind = kind

    async def _answer(self, writer, protocol, digest, fault):
        answer, text = protocol.answer, protocol.text
        key = KEYS[self.kind]
        protocol.text = lambda digest, fault: text(digest, fault).replace("<think>", f"<think>{key}")
        protocol.answer = lambda digest, fault: self._with_key(answer(digest, fault), key)
        return await super()._answer(writer, protocol, digest, fault)

    @staticmethod
    def _with_key(answer: tuple, key: str) -> tuple:
        status, headers, body = answer
        return status, headers, body.replace(b"fault", f"fault {key}".encode())


def everything_about(error: BaseException) -> str:
    """What an error and all that it hangs on could print."""
    seen, texts = set(), []
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts += [repr(error), str(error), repr(vars(error)), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("kind", ["openai", "gemini"])
def test_keys_show_nowhere(kind, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    faults = ("429", "500", "prose", "closed", "503 page", "refusal")
    with Echo(kind, at_random(0.5, faults)) as server, VerdictCache(tmp_path / "cache.sqlite") as cache:
        judge = judge_at(server.url, kind)
        judgements = list(JudgingRun(judge, samples_of(8), cache=cache))
        texts = [repr(judgements), repr(judge.identity), repr(judge), repr(PROVIDERS[kind](server.url))]
        files = [path.read_bytes() for path in tmp_path.iterdir()]
    with Echo(kind, lambda digest, nth: "401") as server, pytest.raises(JudgeError) as caught:
        list(JudgingRun(judge_at(server.url, kind), samples_of(2)))
    texts += [everything_about(caught.value), caplog.text, *map(repr, caplog.records), *capfd.readouterr()]
    assert all(KEYS[kind] not in text for text in texts)
    assert not any(KEYS[kind].encode() in data for data in files)
    assert "[key]" in str(caught.value)
    assert any(KEYS[kind] in str(headers) for headers in server.headers), "it was sent"


def test_errors_of_the_sdk_do_not_hang_on_ours():
    with JudgeServer(lambda digest, nth: "404") as server, pytest.raises(JudgeError) as caught:
        list(JudgingRun(judge_at(server.url, "openai"), samples_of(1)))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
