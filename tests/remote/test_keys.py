"""Keys are read from the environment, and show nowhere: not in output, logs, caches, errors or reprs."""

import base64
import json
import logging
import pickle
import time
import traceback
from contextlib import suppress
from urllib.parse import quote

import pytest
from model_examples import GEMINI_KEY, OPENAI_KEY, PROVIDERS, JudgingRun, judge_at, samples_of
from model_server import JudgeServer, SayingServer, at_random, completion

from pixelsmile.judges import (
    GeminiProvider,
    ModelJudge,
    OpenAIProvider,
    RetryPolicy,
    VerdictCache,
)
from pixelsmile.remote import RemoteError, split_address
from pixelsmile.remote.keys import ApiKey, read_key

KEYS = {"openai": OPENAI_KEY, "gemini": GEMINI_KEY}


def test_where_keys_come_from(monkeypatch):
    assert read_key(["GEMINI_API_KEY", "GOOGLE_API_KEY"]).reveal() == GEMINI_KEY
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(RemoteError, match="set the environment variable GEMINI_API_KEY or GOOGLE_API_KEY"):
        GeminiProvider("m")
    monkeypatch.setenv("GOOGLE_API_KEY", " key-of-google ")
    assert read_key(["GEMINI_API_KEY", "GOOGLE_API_KEY"]).reveal() == "key-of-google"
    with pytest.raises(RemoteError, match="MINE"):
        GeminiProvider("m", key_env="MINE")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(RemoteError, match="OPENAI_API_KEY"):
        OpenAIProvider("m")
    monkeypatch.setenv("OPENAI_API_KEY", "two\nlines-of-secret")
    with pytest.raises(RemoteError, match="characters") as caught:
        OpenAIProvider("m")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "model", "address"),
    [
        ("m", "m", None),
        ("a/m:v1.2", "a/m:v1.2", None),
        ("m@006", "m@006", None),
        ("m@v1.2", "m@v1.2", None),
        ("m@http://h:1/v1", "m", "http://h:1/v1"),
        ("m@https://h.org", "m", "https://h.org"),
    ],
)
def test_a_model_and_where_it_is_served(text, model, address):
    assert split_address(text) == (model, address)


@pytest.mark.parametrize("address", ["localhost", "localhost:8000", "h:1/v1", "10.0.0.1", "a.example.org/v1"])
def test_a_server_without_http_is_no_part_of_the_name(address):
    with pytest.raises(RemoteError, match=rf"write MODEL@http://{address}"):
        split_address(f"m@{address}")


def test_keys_of_the_environment_go_home_alone():
    with JudgeServer() as server:
        list(JudgingRun(ModelJudge(OpenAIProvider("m", base_url=f"{server.url}/v1")), samples_of(1)))
        list(JudgingRun(ModelJudge(GeminiProvider("m", base_url=server.url)), samples_of(1)))
    assert not any({"authorization", "x-goog-api-key"} & headers.keys() for headers in server.headers)


@pytest.mark.parametrize("key", [OPENAI_KEY, "AIza/Sy+_-0123456789=", "od\"d'key&<0123>%"])
def test_a_key_is_known_however_it_is_written(key):
    secret = ApiKey(key, "X")
    written = {
        "json": json.dumps(key),
        "json twice": json.dumps(json.dumps(key)),
        "slashes": key.replace("/", "\\/"),
        "escapes": "".join(f"\\u{ord(letter):04X}" for letter in key),
        "escapes of escapes": "".join(f"\\\\u{ord(letter):04x}" for letter in key),
        "repr": repr(key),
        "url": quote(key, safe=""),
        "url of all": "".join(f"%{ord(letter):02x}" for letter in key),
        "url twice": quote(quote(key, safe="")),
        "html": "".join(f"&#{ord(letter)};" for letter in key),
        "capitals": key.upper(),
        "hex": key.encode().hex(),
        "base64": base64.b64encode(key.encode()).decode(),
        "base64 for urls": base64.urlsafe_b64encode(f":{key}".encode()).decode(),
        "base64 of a header": base64.b64encode(f"Bearer {key} x".encode()).decode(),
    }
    for how, text in written.items():
        assert "[key]" in secret.redact(f"it was {text}, it seems"), how


@pytest.mark.parametrize("unit", ["s", "\\", "%", "%73", "\\u0073", "&#", OPENAI_KEY[:-1], OPENAI_KEY])
def test_a_megabyte_of_anything_is_gone_over_at_once(unit):
    begin = time.process_time()
    ApiKey(OPENAI_KEY, "X").redact(unit * (2**20 // len(unit)))
    assert time.process_time() - begin < 2


def test_a_key_in_pieces_is_put_together_nowhere():
    parts = [{"type": "text", "text": part} for part in (OPENAI_KEY[:9], OPENAI_KEY[9:])]
    with SayingServer(lambda request, nth: completion(parts)) as server:
        (judgement,) = JudgingRun(judge_at(server.url, "openai", RetryPolicy(1, 1)), samples_of(1))
    assert judgement.outcome.detail == "no JSON object in '[key]'"


def test_a_key_in_headers_reaches_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    headers = {"X-Echo": OPENAI_KEY, "Location": f"/{OPENAI_KEY}", "Set-Cookie": f"a={OPENAI_KEY}"}
    for status in (200, 301, 401, 500):
        with SayingServer(lambda request, nth, status=status: (status, headers, b"{}")) as server:
            run = JudgingRun(judge_at(server.url, "openai", RetryPolicy(1, 1)), samples_of(1))
            with suppress(RemoteError):
                list(run)
        assert server.num_requests == 1
    assert OPENAI_KEY not in caplog.text + "".join(map(repr, caplog.records))


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
    with Echo(kind, lambda digest, nth: "401") as server, pytest.raises(RemoteError) as caught:
        list(JudgingRun(judge_at(server.url, kind), samples_of(2)))
    texts += [everything_about(caught.value), caplog.text, *map(repr, caplog.records), *capfd.readouterr()]
    assert all(KEYS[kind] not in text for text in texts)
    assert not any(KEYS[kind].encode() in data for data in files)
    assert "[key]" in str(caught.value)
    assert any(KEYS[kind] in str(headers) for headers in server.headers), "it was sent"


def test_errors_of_the_sdk_do_not_hang_on_ours():
    with JudgeServer(lambda digest, nth: "404") as server, pytest.raises(RemoteError) as caught:
        list(JudgingRun(judge_at(server.url, "openai"), samples_of(1)))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
