"""Any server that speaks OpenAI's images/edits: OpenAI itself, vLLM-Omni, SGLang.

A multipart form with the pictures and the words goes out, pictures in base64 come back.

    provider = OpenAIImages("Qwen-Image-Edit-2511", base_url="http://localhost:8000/v1", seed=7)
    client = Client(provider, "editor", budget=Budget(max_cost=Decimal("5")))
    edited = await client.ask(Prompt((source_png, "Make her smile.")), one_picture)
    edited.value  # the bytes of a picture file, or None: edited.reason and edited.detail say why
"""

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.limits import shown, validated
from pixelsmile.remote.answers import Answer, ServerError, is_about_picture, usage_of
from pixelsmile.remote.client import UnusableReplyError
from pixelsmile.remote.connection import OPENAI, Connection, Form
from pixelsmile.remote.provider import Failure, Fault, Limits, Prompt, Reply, check_not_ours, media_type

_MAX_START = 24  # bytes of what is no picture that are told
_OURS = ("model", "prompt", "image", "image[]", "n", "stream", "partial_images")


class OpenAIImages:
    """One model of one server; each request asks for one edit of the prompt's pictures.

    `base_url` ends with the version (`http://localhost:8000/v1`). The key comes from OPENAI_API_KEY for
    OpenAI itself; to another server none is sent unless `key_env` names a variable. `size` is WIDTHxHEIGHT or
    `auto`, None leaves it to the server. `settings` has further fields of the form (`quality`, `seed`,
    `input_fidelity`, `num_inference_steps`, `guidance_scale`, ...); a null takes one out. OpenAI's own models
    answer in base64 unasked and take no `response_format`; other servers are asked for it.

    RemoteError for a missing key, an address that is none, or settings that would change the question.
    """

    name = "openai-images"

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
        self.model = model
        self.limits = limits or Limits(timeout_s=300.0)
        timeout_s = self.limits.timeout_s
        self._connection = Connection(OPENAI, base_url, key_env, timeout_s, has_pictures=True)
        form = None if self._connection.is_home else "b64_json"
        self._settings: dict[str, JsonValue] = {"size": size, "seed": seed, "response_format": form}
        self._settings |= settings or {}
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
        answer = await self._connection.post("images/edits", form=self._form(prompt))
        match answer:
            case Answer():
                return self._connection.clean(read_images(answer))
            case ServerError() if answer.is_too_large:
                return answer.failure("ask for less: smaller pictures, or another size")
            case ServerError():
                return answer.failure(answer.advice(self._connection.key))
        return answer

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._connection.aclose()

    def _form(self, prompt: Prompt) -> Form:
        pictures = prompt.pictures
        field = "image" if len(pictures) == 1 else "image[]"
        return [
            ("model", self.model),
            ("prompt", prompt.text),
            ("n", "1"),
            *((name, _written(value)) for name, value in self._settings.items() if value is not None),
            *((field, picture) for picture in pictures),
        ]


def one_picture(reply: Reply) -> bytes:
    """The picture of a reply, for `Client.ask`."""
    if len(reply.pictures) != 1:
        raise UnusableReplyError(f"one picture was asked for, {len(reply.pictures)} came")
    return reply.pictures[0]


def read_images(answer: Answer) -> Reply:
    """The reply in the answer to an edit: `data[].b64_json`. An address of a picture is not followed.

    Ark says in `data[].error` why one of the pictures is missing.
    """
    try:
        images = validated(_Images, answer.value, "the answer")
    except PixelSmileError:
        return Reply("", answer.body, None, "malformed", "the server's answer holds no images")
    usage = usage_of(images.usage, "total_tokens")
    if not images.data:
        return Reply("", answer.body, usage, "empty", "the server's answer has no images")
    pictures = []
    for image in images.data:
        picture = answer.picture(image.b64_json) if image.b64_json is not None else None
        if fault := _fault(image, picture):
            return Reply("", answer.body, usage, *fault)
        pictures.append(picture or b"")
    return Reply("", answer.body, usage, pictures=tuple(pictures))


def picture_fault(picture: bytes | None) -> tuple[Fault, str] | None:
    """Why bytes that stand for a picture are of no use; None for a picture file.

    picture: None for what is no base64.
    """
    if picture is None:
        return "malformed", "what it sent as a picture is no base64"
    try:
        media_type(picture)
    except ValueError:
        start = "".join(filter(str.isprintable, picture[:_MAX_START].decode("ascii", "ignore")))
        begins = f"begins {shown(start)}" if picture else "is empty"
        return "malformed", f"what it sent is no PNG, JPEG or WebP picture: it {begins}"
    return None


def _fault(image: "_Image", picture: bytes | None) -> tuple[Fault, str] | None:
    if image.error is not None:
        said = one_line(f"{image.error.code}: {image.error.message}", 200)
        return ("refused" if is_about_picture(said) else "malformed"), said
    if image.b64_json is None:
        detail = "the server sends addresses of pictures, which are not followed: have it send b64_json"
        return "malformed", detail
    return picture_fault(picture)


def _written(value: JsonValue) -> str:
    """As forms spell it: true and false in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Error(BaseModel):
    code: str = ""
    message: str = ""


class _Image(BaseModel):
    b64_json: str | None = None
    error: _Error | None = None


class _Images(BaseModel):
    """What is needed of the answer; servers add fields of their own."""

    data: list[_Image] | None
    usage: object = None
