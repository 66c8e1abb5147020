"""What goes back to clients: pictures as people get them, events, and errors in OpenAI's form.

Everything that leaves the server is made here. An error says what was wrong with the request; what was wrong
with the server stands in its log.
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from pixelsmile.editing.edit_files import EditResult, OutputFormat, picture_file
from pixelsmile.editing.engine import Preview
from pixelsmile.errors import (
    ExpressionError,
    FaceError,
    ImageError,
    InputError,
    OutputError,
    PixelSmileError,
    StrengthError,
)
from pixelsmile.web.models import LoadingError
from pixelsmile.web.worker import StoppedError

PREVIEW_PX = 256  # the longer side of a preview
_PREVIEW_QUALITY = 80
RETRY_S = 30  # after which a server that stops has likely been started again

_PARAMS: dict[type[PixelSmileError], str] = {
    ImageError: "image",
    FaceError: "face",
    StrengthError: "strengths",
    ExpressionError: "expression",
    OutputError: "output_format",
}
_CLI_WORDS = (  # what the command line advises, as a client types it
    (re.compile(r"`pixelsmile faces PHOTO`"), "POST /v1/faces"),
    (re.compile(r" \(pixelsmile models list[^)]*\)"), ""),
    (re.compile(r" \(--format\)"), " (output_format)"),
    (re.compile(r"--([a-z]+)"), r"\1"),
)


class ApiError(PixelSmileError):
    """A refusal as clients see it. kind, code, param: OpenAI's."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.kind, self.param = status, code, kind, param
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.status != 401 else {"WWW-Authenticate": "Bearer"}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after_s)))
        return headers

    def body(self) -> dict[str, Any]:
        """As the answer holds it."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


def refusal(error: Exception) -> ApiError | None:
    """What clients are told of an error; None where it is the server's own, and no business of theirs."""
    match error:
        case ApiError():
            return error
        case StoppedError():
            return ApiError(503, str(error), "stopping", kind="server_error", retry_after_s=RETRY_S)
        case LoadingError():
            return ApiError(503, str(error), "model_unavailable", kind="server_error")
    param = next((name for kind, name in _PARAMS.items() if isinstance(error, kind)), None)
    if param is None and type(error) is not InputError:
        return None
    message = str(error)
    for pattern, words in _CLI_WORDS:
        message = pattern.sub(words, message)
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    return ApiError(400, message, code, param=param)


def own_fault(error: Exception) -> ApiError:
    """For what is the server's own fault."""
    if type(error).__name__ == "OutOfMemoryError":
        message = "the server's device has too little free memory for this: ask for fewer or smaller pictures"
        return ApiError(503, message, "out_of_memory", kind="server_error")
    return ApiError(
        500, "the server failed at this request: its log says why", "internal_error", kind="server_error"
    )


def person_file(
    result: EditResult, index: int, form: OutputFormat, size: tuple[int, int] | None = None
) -> bytes:
    """The file of one edit, as `pixelsmile edit` writes it: with its settings, marked, signed.

    size: to scale it to. OutputError where the format cannot hold the picture.
    """
    image = result.images[index]
    if size is not None and image.size != size:
        images = [*result.images]
        images[index] = image.resize(size, Image.Resampling.LANCZOS)
        result = replace(result, images=images)
    return picture_file(result, index, form)


def preview_file(preview: Preview) -> bytes:
    """A small JPEG of a look on the way, for the eye alone."""
    import io

    image = preview.image.convert("RGB")
    image.thumbnail((PREVIEW_PX, PREVIEW_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_PREVIEW_QUALITY)
    return buffer.getvalue()


def as_text(data: bytes) -> str:
    """The bytes of a file as JSON carries them."""
    return base64.b64encode(data).decode()


def event(name: str, record: Mapping[str, Any]) -> bytes:
    """One server-sent event. ValueError for a number that is not finite."""
    data = json.dumps(record, allow_nan=False)
    return f"event: {name}\ndata: {data}\n\n".encode()


def now() -> int:
    """In seconds, as answers have it."""
    return int(time.time())
