"""BytePlus Ark's images/generations, which also edits: Seedream, SeedEdit.

A JSON record with the pictures as data URIs goes out, pictures in base64 come back in the form of OpenAI's
images, or an error in the place of one. By BytePlus ModelArk's image generation API, Volcengine's list of
error codes (docs/82379/1099476) and InvokeAI's provider (looked up 2026-11-29).

    provider = ArkImages("seedream-4-5-251128", limits=Limits(price=Decimal("0.04")))
    provider = ArkImages(model, base_url="https://ark.cn-beijing.volces.com/api/v3", key_env="ARK_API_KEY")
"""

import io
import math
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from pixelsmile.remote.answers import Answer, ServerError
from pixelsmile.remote.connection import Connection, Service
from pixelsmile.remote.openai_images import read_images
from pixelsmile.remote.provider import NOTHING, Failure, Limits, Prompt, Reply, check_not_ours, data_uri

ARK = Service(
    "https://ark.ap-southeast.bytepluses.com/api/v3", ("ARK_API_KEY",), ("Authorization", "Bearer ")
)

_OURS = ("model", "prompt", "image", "stream", "sequential_image_generation", "response_format")
_PIXELS = 2048 * 2048  # of an edit: what Seedream draws unasked, and within the bounds of 4.0 and 4.5
_MAX_RATIO = 16.0


class ArkImages:
    """One model; each request asks for one edit of the prompt's pictures.

    size: WIDTHxHEIGHT, 1K, 2K or 4K. None is 4 megapixels in the form of the first picture, for the server's
    own choice is a square; SeedEdit takes the picture's. settings: further fields of the request, such as
    `seed` or `guidance_scale` of the older models; a null takes one out.

    RemoteError for a missing key, an address that is none, or settings that would change the question.
    """

    name = "ark"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_env: str | None = None,
        size: str | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.model = model
        self.limits = limits or Limits(timeout_s=300.0)
        self._connection = Connection(ARK, base_url, key_env, self.limits.timeout_s, has_pictures=True)
        self._is_older = "seededit" in model or "-3-0-" in model  # one picture a request, nothing to disable
        self._settings: dict[str, JsonValue] = {
            "size": size or ("adaptive" if self._is_older else None),
            "watermark": False,
            **(settings or {}),
        }
        check_not_ours(self._settings, _OURS)

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Server, settings, and the size of pictures."""
        return {
            "server": self._connection.host,
            **self._settings,
            "max_side_px": self.limits.max_side_px,
        }

    async def ask(self, prompt: Prompt) -> Reply | Failure:
        """One edit."""
        answer = await self._connection.post("images/generations", record=self._request(prompt))
        match answer:
            case Answer():
                return self._connection.clean(_read(answer))
            case ServerError():
                return answer.failure(answer.advice(self._connection.key))
        return answer

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._connection.aclose()

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        shown = [data_uri(picture) for picture in prompt.pictures]
        record: dict[str, Any] = {
            "model": self.model,
            "prompt": prompt.text,
            "image": shown[0] if len(shown) == 1 else shown,
            "response_format": "b64_json",
        }
        if not self._is_older:
            record["sequential_image_generation"] = "disabled"
        record |= {name: value for name, value in self._settings.items() if value is not None}
        if "size" not in record and prompt.pictures:
            record["size"] = _size_like(prompt.pictures[0])
        return record


def _read(answer: Answer) -> Reply:
    reply = read_images(answer)
    usage = answer.value.get("usage") if isinstance(answer.value, dict) else None
    if isinstance(usage, dict) and usage.get("generated_images") == 0:
        return Reply(reply.text, reply.transcript, NOTHING, reply.fault, reply.detail)
    return reply


def _size_like(picture: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        ratio = min(max(image.width / image.height, 1 / _MAX_RATIO), _MAX_RATIO)
    width, height = math.sqrt(_PIXELS * ratio), math.sqrt(_PIXELS / ratio)
    return f"{round(width)}x{round(height)}"
