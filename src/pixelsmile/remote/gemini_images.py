"""Gemini's models that draw: a generateContent that is to answer with a picture.

By ai.google.dev/gemini-api/docs/image-generation and the reference of generateContent, and by InvokeAI's
provider (looked up 2026-11-29). Nano Banana Pro is `gemini-3-pro-image`. It thinks in pictures too: those are
marked as thoughts and are not the answer. Where it would not draw it may say so in words.

    provider = GeminiImages("gemini-3-pro-image", size="2K", limits=Limits(price=Decimal("0.134")))
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import JsonValue

from pixelsmile.errors import one_line
from pixelsmile.limits import shown
from pixelsmile.remote.answers import Answer
from pixelsmile.remote.gemini import GeminiProvider, read_content
from pixelsmile.remote.openai_images import picture_fault
from pixelsmile.remote.provider import Limits, Prompt, RemoteError, Reply

_RATIO = re.compile(r"\d{1,2}:\d{1,2}")
_SIDE = re.compile(r"\d{1,3}|[1-9]K")  # 512, 1K, 2K, 4K
_MAX_SAID = 160


class GeminiImages(GeminiProvider):
    """One model; each request asks for one edit of the prompt's pictures.

    size: 1K, 2K or 4K, or a ratio of sides as 3:4 (None: 1K, and the ratio of what is shown). settings: as
    the chat model's. Otherwise as GeminiProvider.
    """

    name = "gemini-images"
    current_model: ClassVar[str] = "gemini-3-pro-image"
    has_pictures: ClassVar[bool] = True

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key_env: str | None = None,
        size: str | None = None,
        seed: int | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        limits: Limits | None = None,
    ) -> None:
        settings = {"response_modalities": ["IMAGE"], "image_config": _image_config(size), **(settings or {})}
        super().__init__(
            model,
            base_url=base_url,
            key_env=key_env,
            seed=seed,
            settings=settings,
            limits=limits or Limits(timeout_s=300.0),
        )

    def _config(self, prompt: Prompt) -> dict[str, Any]:
        return {}  # tokens of pictures are the model's own affair

    def _read(self, answer: Answer) -> Reply:
        reply = read_content(answer)
        if reply.fault in ("refused", "malformed"):
            return replace(reply, detail=reply.detail.partition(":")[0])  # there is no option to allow more
        if not reply.pictures:
            if not reply.text.strip():
                return reply
            said = one_line(reply.text, _MAX_SAID)
            return replace(reply, fault="empty", detail=f"it drew nothing, and said {said!r}")
        for picture in reply.pictures:
            if fault := picture_fault(picture):
                return replace(reply, fault=fault[0], detail=fault[1], pictures=())
        return replace(reply, fault=None, detail="")


def _image_config(size: str | None) -> dict[str, JsonValue] | None:
    if size is None:
        return None
    if _RATIO.fullmatch(size):
        return {"aspectRatio": size}
    if _SIDE.fullmatch(size):
        return {"imageSize": size}
    raise RemoteError(f"a size of {shown(size)} is none of Gemini's: use 1K, 2K, 4K, or a ratio as 3:4")
