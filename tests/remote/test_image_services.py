"""The services that edit pictures, each in its protocol: what goes out, what is made of what comes back."""

import asyncio
import base64
import io
import json
from decimal import Decimal

import pytest
from image_server import KEYS, PRICE, TRANSPORT, ImageServer, provider_at
from model_examples import HASTE, png_of
from model_server import SayingServer, at_random, in_turn, negative
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.images import load_image
from pixelsmile.remote import (
    ArkImages,
    BFLImages,
    Budget,
    BudgetSpentError,
    Client,
    GeminiImages,
    Pool,
    Prompt,
    RemoteError,
    ReplicateImages,
    RequestRefusedError,
    RetryPolicy,
    UnusableReplyError,
)
from pixelsmile.remote.openai_images import one_picture

KINDS = ("openai-images", "gemini-images", "bfl", "ark", "replicate")
NEW = KINDS[1:]
WORDS = "Make her smile."
# After these nobody knows whether the request was paid for: it counts as if it were.
UNHEARD = ("closed", "half a body", "broken body", "timeout")


@pytest.fixture(autouse=True)
def all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    monkeypatch.setattr("pixelsmile.remote.jobs.FIRST_WAIT_S", 0.01)


def whole_picture(reply) -> bytes:
    """The picture, if it is one to its end."""
    try:
        load_image(one_picture(reply))
    except ImageError as error:
        raise UnusableReplyError(str(error)) from error
    return one_picture(reply)


def prompt_of(*seeds: int, key: str = "") -> Prompt:
    return Prompt((*map(png_of, seeds), WORDS), sha256=key)


def edited(provider, *prompts: Prompt, retry=HASTE, budget=None):
    async def ask():
        client = Client(provider, "editor", retry=retry, budget=budget)
        try:
            return [await client.ask(prompt, whole_picture) for prompt in prompts]
        finally:
            await client.aclose()

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_comes_back(kind):
    budget = Budget()
    with ImageServer() as server:
        (answered,) = edited(provider_at(kind, server.url), prompt_of(0), budget=budget)
    assert answered.value == negative(png_of(0))
    assert server.answered.total() == 1
    assert budget.spending.used.cost == PRICE


def test_what_gemini_is_asked():
    provider = {"settings": {"temperature": 0.5, "safety_settings": []}}
    with ImageServer() as server:
        edited(provider_at("gemini-images", server.url, size="2K", seed=7, **provider), prompt_of(0))
        edited(provider_at("gemini-images", server.url, size="3:4"), prompt_of(0))
        edited(provider_at("gemini-images", server.url), prompt_of(0))
    assert server.headers[0]["x-goog-api-key"] == KEYS["GEMINI_API_KEY"]
    first, second, third = server.requests
    shown = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(png_of(0)).decode()}}
    assert first == {
        "contents": [{"role": "user", "parts": [shown, {"text": WORDS}]}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"imageSize": "2K"},
            "seed": 7,
            "temperature": 0.5,
        },
        "safetySettings": [],
    }
    assert second["generationConfig"]["imageConfig"] == {"aspectRatio": "3:4"}
    assert third["generationConfig"] == {"responseModalities": ["IMAGE"]}


def test_what_ark_is_asked():
    wide = io.BytesIO()
    Image.new("RGB", (160, 90)).save(wide, "PNG")
    with ImageServer() as server:
        edited(provider_at("ark", server.url, settings={"watermark": True}, size="2K"), prompt_of(0))
        edited(provider_at("ark", server.url), prompt_of(1, 2), Prompt((wide.getvalue(), WORDS)))
        older = ArkImages("seededit-3-0-i2i-250628", base_url=server.url, key_env="ARK_API_KEY")
        edited(older, prompt_of(0))
    assert server.headers[0]["authorization"] == f"Bearer {KEYS['ARK_API_KEY']}"
    one, two, wide_one, old = server.requests
    uris = [f"data:image/png;base64,{base64.b64encode(png_of(seed)).decode()}" for seed in range(3)]
    assert one == {
        "model": "seedream-4-5-251128",
        "prompt": WORDS,
        "image": uris[0],
        "size": "2K",
        "response_format": "b64_json",
        "sequential_image_generation": "disabled",
        "watermark": True,
    }
    assert (two["image"], two["size"], two["watermark"]) == (uris[1:], "2048x2048", False)
    # 2048 x 2048 pixels at 16:9: the root of 2^22 times 16/9, and of 2^22 times 9/16
    assert wide_one["size"] == "2731x1536"
    assert old["size"] == "adaptive"
    assert "sequential_image_generation" not in old


def test_what_bfl_is_asked():
    with ImageServer() as server:
        edited(provider_at("bfl", server.url, size="512x768", settings={"seed": 7}), prompt_of(0, 1))
        edited(provider_at("bfl", server.url, size="3:4", settings={"output_format": None}), prompt_of(0))
    first, second = server.requests
    assert first == {
        "prompt": WORDS,
        "input_image": base64.b64encode(png_of(0)).decode(),
        "input_image_2": base64.b64encode(png_of(1)).decode(),
        "output_format": "png",
        "prompt_upsampling": False,
        "seed": 7,
        "width": 512,
        "height": 768,
    }
    assert second["aspect_ratio"] == "3:4"
    assert "output_format" not in second
    assert all(headers["x-key"] == KEYS["BFL_API_KEY"] for headers in server.headers)


def test_what_replicate_is_asked():
    with ImageServer() as server:
        edited(provider_at("replicate", server.url, settings={"guidance_scale": 5.5}), prompt_of(0))
        edited(provider_at("replicate", server.url, settings={"image_field": "image_input[]"}), prompt_of(1))
    uris = [f"data:image/png;base64,{base64.b64encode(png_of(seed)).decode()}" for seed in range(2)]
    assert server.requests == [
        {"input": {"prompt": WORDS, "image": uris[0], "guidance_scale": 5.5}},
        {"input": {"prompt": WORDS, "image_input": [uris[1]]}},
    ]


@pytest.mark.parametrize(
    ("kind", "fault", "reason", "detail"),
    [
        ("gemini-images", "moderated", "refused", "blockReason PROHIBITED_CONTENT"),
        ("gemini-images", "withheld", "refused", "finishReason IMAGE_SAFETY"),
        (
            "gemini-images",
            "text",
            "empty",
            "it drew nothing, and said 'I cannot edit photographs of people.'",
        ),
        ("gemini-images", "nothing", "empty", "the candidate has no text"),
        ("ark", "withheld", "refused", "OutputImageSensitiveContentDetected: The request failed because"),
        ("ark", "failed", "malformed", "InternalServiceError: The service met an error."),
        ("ark", "nothing", "empty", "no images"),
        (
            "bfl",
            "withheld",
            "refused",
            "Content Moderated: {'Moderation Reasons': ['Derivative Works Filter']}",
        ),
        ("bfl", "failed", "empty", "the job failed (Error: {'error': 'worker died'})"),
        ("bfl", "nothing", "empty", "the job ended without a picture"),
        ("replicate", "withheld", "refused", "The input or output was flagged as sensitive."),
        ("replicate", "failed", "empty", "the job failed (Prediction interrupted; please retry (code: PA))"),
        ("replicate", "nothing", "empty", "the job ended without a picture"),
    ],
)
def test_why_there_is_no_picture(kind, fault, reason, detail):
    policy = RetryPolicy(max_requests=2, max_answers=2, base_s=0.001)
    with ImageServer(lambda digest, nth: fault) as server:
        (answered,) = edited(provider_at(kind, server.url), prompt_of(0, key="k"), retry=policy)
    assert (answered.value, answered.reason) == (None, reason)
    assert detail in answered.detail
    assert server.met == {fault: 2}, "another may be shown"


@pytest.mark.parametrize(
    ("kind", "said"),
    [("ark", "the input image may contain sensitive information"), ("bfl", "Request Moderated")],
)
def test_a_picture_that_is_not_taken_is_sent_once(kind, said):
    with (
        ImageServer(lambda digest, nth: "moderated") as server,
        pytest.raises(RequestRefusedError, match=said) as refused,
    ):
        edited(provider_at(kind, server.url), prompt_of(0, key="k"))
    assert refused.value.is_certain
    assert server.met == {"moderated": 1}


@pytest.mark.parametrize("kind", NEW)
@pytest.mark.parametrize("fault", [*TRANSPORT, "withheld"])
def test_each_fault_is_outlived(kind, fault):
    with ImageServer(in_turn(fault)) as server:
        (answered,) = edited(provider_at(kind, server.url), prompt_of(0))
    assert answered.value == negative(png_of(0))
    assert server.met == {fault: 1, "good": 1}


@pytest.mark.parametrize("kind", NEW)
def test_a_server_that_hangs(kind):
    with ImageServer(in_turn("timeout")) as server:
        (answered,) = edited(provider_at(kind, server.url, timeout_s=0.5), prompt_of(0))
    assert answered.value == negative(png_of(0))


@pytest.mark.parametrize("kind", NEW)
def test_a_wrong_key_stops_and_shows_nowhere(kind):
    key = dict(zip(NEW, list(KEYS.values())[1:], strict=True))[kind]
    body = json.dumps({"error": {"message": f"no such key: {key}"}}).encode()
    with SayingServer(lambda request, nth: (401, {}, body)) as server:
        server.protocol = ImageServer().protocol
        with pytest.raises(RemoteError, match=r"no such key: \[key\]\): check the key \(from [A-Z_]+\)"):
            edited(provider_at(kind, server.url), prompt_of(0))


def test_what_cannot_be_asked(monkeypatch):
    for make, message in (
        (lambda: GeminiImages("m", size="big"), "a size of 'big' is none of Gemini's: use 1K"),
        (lambda: GeminiImages("m", settings={"contents": []}), "contents is not to be changed"),
        (lambda: BFLImages("m", size="big"), "a size of 'big' is none of BFL's"),
        (lambda: BFLImages("m", settings={"input_image_2": "x"}), "input_image_2 is not to be changed"),
        (lambda: ArkImages("m", settings={"sequential_image_generation": "auto"}), "is not to be changed"),
        (lambda: ReplicateImages("m"), "'m' is no model of Replicate's: write it as OWNER/NAME"),
        (lambda: ReplicateImages("../x/y"), "is no model of Replicate's"),
        (lambda: ReplicateImages("a/b", size="1K"), "each model's own at Replicate"),
        (lambda: ReplicateImages("a/b", settings={"image": "x"}), "image is not to be changed"),
        (lambda: ReplicateImages("a/b", settings={"image_field": "[]"}), "name the input that takes"),
    ):
        with pytest.raises(RemoteError, match=message.replace("(", r"\(").replace(".", r"\.")):
            make()
    for name in KEYS:
        monkeypatch.delenv(name)
    for make, name in (
        (lambda: GeminiImages("m"), "GEMINI_API_KEY"),
        (lambda: BFLImages("m"), "BFL_API_KEY"),
        (lambda: ArkImages("m"), "ARK_API_KEY"),
        (lambda: ReplicateImages("a/b"), "REPLICATE_API_TOKEN"),
    ):
        with pytest.raises(RemoteError, match=f"there is no key: set the environment variable {name}"):
            make()


@pytest.mark.parametrize("kind", KINDS)
def test_many_at_once_from_a_bad_server(kind):
    """Nothing lost, nothing paid twice, and the budget is what was paid, to the cent."""
    faults = (*TRANSPORT, "withheld") if kind != "openai-images" else TRANSPORT
    budget, seeds = Budget(max_cost=Decimal("4.00")), range(24)
    with ImageServer(at_random(0.3, faults), 0.02, later=at_random(0.3, TRANSPORT)) as server:
        client = Client(provider_at(kind, server.url), "editor", retry=HASTE, budget=budget)

        async def edit(seed: int) -> bytes | None:
            return (await client.ask(prompt_of(seed, key=f"edit of {seed}"), whole_picture)).value

        results = dict(Pool(seeds, edit, client.aclose, max_concurrency=6))
    assert results == {seed: negative(png_of(seed)) for seed in seeds}
    assert set(server.answered.values()) == {1}, "an edit was paid for twice"
    assert len(server.answered) == len(seeds)
    is_free = kind == "ark"  # it says that nothing was made
    paid = [*UNHEARD, "good"] if is_free else [*UNHEARD, "good", "withheld"]
    assert sum(server.met.values()) > len(seeds) + 5, "it was a bad server"
    assert budget.spending.used.cost == PRICE * sum(server.met[how] for how in paid)


@pytest.mark.parametrize("kind", KINDS)
def test_money_stops_before_the_limit(kind):
    budget = Budget(max_cost=Decimal("0.10"))
    with ImageServer() as server, pytest.raises(BudgetSpentError, match=r"0\.08 of 0\.10 dollars used"):
        edited(provider_at(kind, server.url), *map(prompt_of, range(3)), budget=budget)
    assert server.met == {"good": 2}
