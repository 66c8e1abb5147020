"""What the page of the API says of the routes that take a picture: their fields, with examples."""

from typing import Any

from pydantic import BaseModel

from pixelsmile.web.orders import EditFields, WhichPicture

DESCRIPTION = """
The image API of OpenAI, for one thing: changing the expression of a face, as strongly as is asked for. The
openai library is a client; fields that it does not know go through its `extra_body`.

Pictures are never written to a disk or a log. Every picture that goes out says in its metadata that it was
edited, and how. Errors have OpenAI's form, `{"error": {"message", "type", "param", "code"}}`; 429 and 503
come with Retry-After.
"""
_ERRORS = {
    400: "what was wrong with the picture or a field",
    401: "the key is missing or wrong",
    413: "the request is too large",
    429: "too many requests at once: Retry-After says when to ask again",
    503: "the server is stopping, or a model cannot be loaded",
    504: "it took longer than the server allows",
}
_ERROR = {
    "type": "object",
    "example": {
        "error": {
            "message": "no face was found in the picture",
            "type": "invalid_request_error",
            "param": "face",
            "code": "face_error",
        }
    },
}
_EDITED = {
    "created": 1790000000,
    "data": [{"b64_json": "iVBORw0KGgo..."}],
    "output_format": "png",
    "size": "512x512",
    "pixelsmile": {
        "model": "geometric",
        "pictures": [{"label": "happy", "strength": 0.5, "seed": 0, "size": "512x512"}],
        "notes": ["the prompt was read as happy at 0.5"],
    },
}
_STREAM = 'event: {0}\\ndata: {{"type": "{0}", "b64_json": "iVBORw0KGgo...", "strength": 0.5, "seed": 0}}'
_FACES = {
    "width": 512,
    "height": 512,
    "detector": "mesh",
    "faces": [{"number": 1, "face": "170,62,115,139", "score": 0.98}],
    "notes": [],
}
_SCORES = {"judge": "photo", "shows": "happy", "scores": {"happy": 0.91, "shy": None}, "reason": None}


def _schema(fields: type[BaseModel]) -> dict[str, Any]:
    """The fields of a form, with the picture."""
    schema = fields.model_json_schema()
    properties = {name: _texts(part) for name, part in schema["properties"].items()}
    picture = {"type": "string", "format": "binary", "description": "PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF"}
    return {"type": "object", "required": ["image"], "properties": {"image": picture, **properties}}


def _texts(part: dict[str, Any]) -> dict[str, Any]:
    """Objects and lists as what may be typed for them, so that the page's form can send them."""
    kinds = {part.get("type"), *(one.get("type") for one in part.get("anyOf", ()))}
    if kinds & {"object", "array"}:
        kept: dict[str, Any] = {name: part[name] for name in ("description", "examples") if name in part}
        return {"type": "string", **kept}
    return part


def _route(summary: str, description: str, fields: type[BaseModel], answer: dict[str, Any]) -> dict[str, Any]:
    errors = {
        str(status): {"description": words, "content": {"application/json": {"schema": _ERROR}}}
        for status, words in _ERRORS.items()
    }
    return {
        "summary": summary,
        "description": description,
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": _schema(fields)}},
        },
        "responses": {"200": {"description": "what was asked for", "content": answer}, **errors},
    }


EDITS = _route(
    "Edit a picture",
    "One picture for each strength and seed. Fields of OpenAI's that mean nothing here are taken, and named "
    "in `pixelsmile.notes`; a mask, several pictures and addresses of pictures are refused.",
    EditFields,
    {
        "application/json": {"example": _EDITED},
        "text/event-stream": {"example": _STREAM.format("image_edit.completed")},
    },
)
SWEEPS = _route(
    "Edit a picture at many strengths, with progress and previews",
    "The same fields; the answer comes as server-sent events: `sweep.progress`, `sweep.preview` (a small "
    "JPEG of what the model sees), `sweep.picture` for each picture, `sweep.completed`; or `error`.",
    EditFields,
    {"text/event-stream": {"example": _STREAM.format("sweep.picture")}},
)
FACES = _route(
    "The faces of a picture",
    "Numbered from left to right, as the field face takes them.",
    WhichPicture,
    {"application/json": {"example": _FACES}},
)
SCORES = _route(
    "Which expressions a face shows, and how strongly",
    "By the judge on this machine for such pictures, with a sentence on how often it is right. What it does "
    "not judge has no score; where there is no verdict, `reason` and `detail` say why.",
    WhichPicture,
    {"application/json": {"example": _SCORES}},
)
