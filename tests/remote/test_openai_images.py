"""Edits of pictures over OpenAI's protocol: what goes out, what is made of what comes back."""

import asyncio
import base64
import json
from decimal import Decimal

import pytest
from model_examples import HASTE, OPENAI_KEY, png_of
from model_server import JudgeServer, SayingServer, at_random, in_turn, negative, refusal

from pixelsmile.hashing import sha256_bytes
from pixelsmile.remote import (
    AnswerCache,
    Answered,
    Budget,
    BudgetSpentError,
    Client,
    Limits,
    Once,
    OpenAIImages,
    Pool,
    Prompt,
    RemoteError,
    RequestRefusedError,
    RetryPolicy,
)
from pixelsmile.remote.openai_images import one_picture

WORDS = "Make her smile."
FAULTS = ("429", "429 seconds", "500", "503 page", "closed", "half a body", "broken body", "two pictures")


def images_at(url: str, timeout_s: float = 5.0, **settings) -> OpenAIImages:
    limits = Limits(timeout_s=timeout_s, price=Decimal("0.04"))
    return OpenAIImages("m", base_url=f"{url}/v1", limits=limits, **{"key_env": "OPENAI_API_KEY", **settings})


def edited(provider: OpenAIImages, *prompts: Prompt, retry=HASTE, budget=None) -> list[Answered[bytes]]:
    async def ask() -> list[Answered[bytes]]:
        client = Client(provider, "editor", retry=retry, budget=budget)
        try:
            return [await client.ask(prompt, one_picture) for prompt in prompts]
        finally:
            await client.aclose()

    return asyncio.run(ask())


def prompt_of(*seeds: int) -> Prompt:
    return Prompt((*map(png_of, seeds), WORDS))


def test_an_edit_comes_back():
    with JudgeServer() as server:
        (answered,) = edited(images_at(server.url, size="1024x1024", seed=7), prompt_of(0))
    assert answered.value == negative(png_of(0))
    assert json.loads(answered.transcript[0])["data"][0] == {
        "b64_json": "picture:0",
        "revised_prompt": "Smile!",
    }
    (form,), (headers,) = server.requests, server.headers
    assert headers["authorization"] == f"Bearer {OPENAI_KEY}"
    assert {name: value for name, ((_, value),) in form.items() if name != "image"} == {
        "model": b"m",
        "prompt": WORDS.encode(),
        "n": b"1",
        "size": b"1024x1024",
        "seed": b"7",
        "response_format": b"b64_json",
    }
    assert form["image"] == [("image/png", png_of(0))]


def test_several_pictures_and_fields_of_the_server_s_own():
    settings = {"num_inference_steps": 40, "response_format": None, "input_fidelity": "high", "tiling": True}
    with JudgeServer() as server:
        edited(images_at(server.url, settings=settings), prompt_of(0, 1))
    (form,) = server.requests
    assert [file for _, file in form["image[]"]] == [png_of(0), png_of(1)]
    assert {name: form[name][0][1] for name in ("num_inference_steps", "input_fidelity", "tiling")} == {
        "num_inference_steps": b"40",
        "input_fidelity": b"high",
        "tiling": b"true",
    }
    assert "response_format" not in form


def test_openai_itself_is_not_asked_for_base64():
    assert OpenAIImages("gpt-image-1.5").parameters["response_format"] is None
    assert OpenAIImages("m", base_url="http://localhost:1").parameters["response_format"] == "b64_json"
    with pytest.raises(RemoteError, match="prompt is not to be changed"):
        OpenAIImages("m", settings={"prompt": "x"})


@pytest.mark.parametrize(
    ("fault", "reason", "detail"),
    [
        ("no images", "empty", "no images"),
        ("address", "malformed", "addresses of pictures, which are not followed"),
        ("two pictures", "malformed", "one picture was asked for, 2 came"),
        ("no picture", "malformed", "what it sent is no PNG, JPEG or WebP picture: it begins '"),
        ("no base64", "malformed", "what it sent as a picture is no base64"),
        ("broken body", "malformed", "holds no images"),
        ("500", "unreachable", "500: fault 500"),
        ("closed", "unreachable", ""),
        ("half a body", "unreachable", ""),
    ],
)
def test_why_there_is_no_picture(fault, reason, detail):
    policy = RetryPolicy(max_requests=2, max_answers=2, base_s=0.001)
    with JudgeServer(lambda digest, nth: fault) as server:
        (answered,) = edited(images_at(server.url), prompt_of(0), retry=policy)
    assert (answered.value, answered.reason) == (None, reason)
    assert detail in answered.detail
    assert server.met == {fault: 2}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_outlived(fault):
    with JudgeServer(in_turn(fault)) as server:
        (answered,) = edited(images_at(server.url), prompt_of(0))
    assert answered.value == negative(png_of(0))
    assert server.met == {fault: 1, "good": 1}


def test_a_server_that_hangs():
    with JudgeServer(in_turn("timeout")) as server:
        (answered,) = edited(images_at(server.url, timeout_s=1.0), prompt_of(0))
    assert answered.value == negative(png_of(0))


@pytest.mark.parametrize(
    ("status", "error", "kind", "said"),
    [
        (400, {"code": "moderation_blocked"}, RequestRefusedError, "rejected by our safety system"),
        (413, {}, RequestRefusedError, "smaller pictures, or another size"),
        (401, {}, RemoteError, r"check the key \(from OPENAI_API_KEY\)"),
    ],
)
def test_what_a_server_refuses(status, error, kind, said):
    with SayingServer(
        lambda request, nth: refusal(status, "rejected by our safety system", **error)
    ) as server:
        with pytest.raises(kind, match=f"the editor 'm' at localhost .*{said}") as caught:
            edited(images_at(server.url), prompt_of(0))
        assert server.num_requests == 1
    assert getattr(caught.value, "is_certain", False) == (status == 400)


def test_an_answer_may_be_long_and_not_longer(monkeypatch):
    monkeypatch.setattr("pixelsmile.remote.connection.MAX_PICTURES_BYTES", 2000)
    with JudgeServer() as server:
        (answered,) = edited(images_at(server.url), prompt_of(0), retry=RetryPolicy(1, 1))
    assert answered.detail == "the answer is longer than 2,000 bytes"


def test_a_key_shows_nowhere_but_in_a_picture():
    picture = negative(png_of(0)) + OPENAI_KEY.encode() * 30
    body = json.dumps({"data": [{"b64_json": base64.b64encode(picture).decode()}], "note": OPENAI_KEY})
    with SayingServer(lambda request, nth: (200, {}, body.encode())) as server:
        (answered,) = edited(images_at(server.url), prompt_of(0))
    assert answered.value == picture
    assert json.loads(answered.transcript[0]) == {"data": [{"b64_json": "picture:0"}], "note": "[key]"}


def test_money_stops_before_the_limit():
    budget = Budget(max_cost=Decimal("0.10"))
    with JudgeServer() as server, pytest.raises(BudgetSpentError) as caught:
        edited(images_at(server.url), *map(prompt_of, range(3)), budget=budget)
    assert "2 requests and 2,000 tokens for 0.08 of 0.10 dollars used" in str(caught.value)
    assert budget.spending.used.cost == Decimal("0.08")
    assert server.met == {"good": 2}


def test_many_at_once_from_a_bad_server_each_paid_for_once(tmp_path):
    """A pool, a client and a cache, as an editor puts them together."""
    seeds = [seed % 12 for seed in range(30)]
    asked = {"model": {}, "model_sha256": "0" * 64, "question_sha256": "1" * 64, "domain": "human"}

    def run(url: str, cache: AnswerCache) -> list[tuple[int, bytes]]:
        client, once = Client(images_at(url), "editor", retry=HASTE), Once()

        async def edit(seed: int) -> bytes:
            async def pay() -> str:
                answered = await client.ask(prompt_of(seed), one_picture)
                assert answered.value is not None
                name = sha256_bytes(answered.value)
                return cache.write(key, name, is_answer=True, pictures=[answered.value], **asked)

            key = f"edit of {seed}"
            return cache.picture(cache.read(key) or await once.get(key, pay))

        return list(Pool(seeds, edit, client.aclose, max_concurrency=6))

    with JudgeServer(at_random(0.3, FAULTS)) as server:
        for _ in range(2):
            with AnswerCache(tmp_path / "cache.sqlite") as cache:
                results = run(server.url, cache)
            assert sorted(seed for seed, _ in results) == sorted(seeds)
            assert all(picture == negative(png_of(seed)) for seed, picture in results)
    assert set(server.answered.values()) == {1}, "an edit was paid for twice"
    assert len(server.answered) == 12


@pytest.mark.parametrize("dialect", ["vllm-omni", "sglang"])
@pytest.mark.parametrize("num_pictures", [1, 2])
def test_the_dialects_of_servers(dialect, num_pictures):
    """What vLLM-Omni (docs/serving/image_edit_api.md) and SGLang (openai/image_api.py) take and say.

    Both read `image` or `image[]`, and fields of their own; both add fields to the answer.
    """
    file = base64.b64encode(negative(png_of(0))).decode()
    image = {"b64_json": file, "url": None, "revised_prompt": None}
    more: dict[str, object] = {"output_format": None, "size": None}
    if dialect == "sglang":
        image |= {"revised_prompt": WORDS, "file_path": None, "resize": None}
        more = {"id": "x", "peak_memory_mb": 9.5, "inference_time_s": 1.5, "usage": {"image_count": 1}}
    body = json.dumps({"created": 1701234567, "data": [image], **more}).encode()
    settings = {"num_inference_steps": 40, "true_cfg_scale": 4.0, "guidance_scale": 1.0}
    with SayingServer(lambda request, nth: (200, {}, body)) as server:
        provider = images_at(server.url, key_env=None, seed=777, size="512x512", settings=settings)
        (answered,) = edited(provider, prompt_of(*range(num_pictures)))
    assert answered.value == negative(png_of(0))
    (form,) = server.requests
    shown = form["image"] if num_pictures == 1 else form["image[]"]
    assert [file for _, file in shown] == [png_of(seed) for seed in range(num_pictures)]
    assert {name: form[name][0][1] for name in ("response_format", "seed", *settings)} == {
        "response_format": b"b64_json",
        "seed": b"777",
        "num_inference_steps": b"40",
        "true_cfg_scale": b"4.0",
        "guidance_scale": b"1.0",
    }
    assert "authorization" not in server.headers[0]


def test_what_vllm_omni_refuses():
    body = json.dumps({"detail": "Invalid size format: '1024x'. Expected format: 'WIDTHxHEIGHT'."}).encode()
    with (
        SayingServer(lambda request, nth: (400, {}, body)) as server,
        pytest.raises(RequestRefusedError, match=r"400: Invalid size format: '1024x'") as refused,
    ):
        edited(images_at(server.url), prompt_of(0))
    assert not refused.value.is_certain
