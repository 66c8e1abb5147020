"""What comes in: a form with one picture, read in memory within limits; nothing of it touches the disk."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pixelsmile.editing.pictures import Source, read_source_bytes
from pixelsmile.errors import ImageError
from pixelsmile.images import picture_size
from pixelsmile.limits import shown
from pixelsmile.web.answers import ApiError

_MAX_FIELDS, _MAX_FIELD_BYTES = 64, 64 * 2**10
_NAME = re.compile(r"(?P<name>[^\[\]]+)(?:\[(?P<key>[^\[\]]*)\])?")


class _InMemory(MultiPartParser):
    """The form's parser, without the temporary files that it makes of larger parts."""

    spool_max_size = 0  # as `tempfile.SpooledTemporaryFile` has it: never to the disk

    def close(self) -> None:
        """Let go of parts that never became a form."""
        for file in self._files_to_close_on_error:
            file.close()


@dataclass(frozen=True)
class Form:
    """picture: the file. fields: texts by their names; several as a list, those with keys as an object."""

    picture: bytes
    fields: dict[str, Any]


async def read_form(headers: Headers, body: bytes) -> Form:
    """The form in the body of a request. ApiError for what is none, or has no picture or several."""
    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ApiError(415, "send the picture as a multipart form, with the field image", "form_expected")

    async def whole() -> AsyncIterator[bytes]:
        yield body

    from python_multipart.exceptions import FormParserError

    parser = _InMemory(
        headers,
        whole(),
        max_files=4,
        max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        parser.close()
        reason = getattr(error, "message", "") or str(error)
        raise ApiError(
            400, f"the form cannot be read ({shown(reason)}): send it again", "bad_form"
        ) from error
    try:
        return await _sorted(form.multi_items())
    finally:
        await form.close()


async def _sorted(parts: Sequence[tuple[str, Any]]) -> Form:
    """The picture, and the texts by their names."""
    pictures: list[bytes] = []
    texts: list[tuple[str, str]] = []
    for name, value in parts:
        if not isinstance(value, UploadFile):
            texts.append((name, value))
        elif name in ("image", "image[]"):
            pictures.append(await value.read())
        else:
            raise ApiError(
                400,
                f"a file {shown(name)} is not used: the face is found, or chosen by the field face",
                "file_not_used",
                param=name[:64],
            )
    if len(pictures) != 1:
        seen = "is missing" if not pictures else f"was sent {len(pictures)} times"
        raise ApiError(400, f"the file image {seen}: send one picture a request", "one_image", param="image")
    return Form(pictures[0], _named(texts))


def _named(texts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for written, value in texts:
        match = _NAME.fullmatch(written)
        if match is None:
            raise ApiError(400, f"a field is called {shown(written)}, which is no name", "bad_form")
        name, key = match["name"], match["key"]
        known = fields.get(name)
        if key:  # blend[happy]
            known = fields.setdefault(name, {})
            if not isinstance(known, dict) or key in known:
                raise ApiError(400, f"the field {shown(written)} is given twice", "bad_form", param=name[:64])
            known[key] = value
        elif key is None and known is None:
            fields[name] = value
        elif isinstance(known, dict):
            raise ApiError(400, f"the field {shown(name)} is given twice", "bad_form", param=name[:64])
        else:
            before = [] if known is None else known if isinstance(known, list) else [known]
            fields[name] = [*before, value]
    return fields


def open_picture(data: bytes, max_pixels: int) -> Source:
    """The picture of a form. ImageError; nothing of one with too many pixels is decoded."""
    size = picture_size(data)
    if size is not None and size[0] * size[1] > max_pixels:
        raise ImageError(
            f"the uploaded picture has {size[0]} x {size[1]} pixels, more than the {max_pixels:,} that this "
            "server takes: scale it down first"
        )
    return read_source_bytes(data)
