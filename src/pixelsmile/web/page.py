"""The page about the API: every route with its fields, a command to try it, and what comes back.

It is made from the same description that programs read at /openapi.json, and loads nothing from elsewhere.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import PackageLoader

from pixelsmile.results.page import page_environment

_FORM = "multipart/form-data"
_TRIED = {  # fields of the example of a route
    "/v1/images/edits": {"prompt": "Make her smile a little"},
    "/v1/images/sweeps": {"expression": "surprised", "strengths": "0,0.5,1"},
}


@dataclass(frozen=True)
class Field:
    """name, what it is, and what it may be."""

    name: str
    description: str
    values: str


@dataclass(frozen=True)
class Route:
    """One route as the page shows it. answers: example by media type. errors: words by status."""

    method: str
    path: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    command: str
    answers: Mapping[str, str]
    errors: Mapping[str, str]


def api_page(description: Mapping[str, Any], address: str, models: Mapping[str, str]) -> str:
    """The page, as HTML. description: OpenAPI. address: of the server. models: name -> what for."""
    template = page_environment(PackageLoader("pixelsmile.web", "")).get_template("page.html")
    return template.render(
        title=description["info"]["title"],
        version=description["info"]["version"],
        text=description["info"]["description"].strip(),
        routes=list(_routes(description, address)),
        models=models,
    )


def _routes(description: Mapping[str, Any], address: str) -> Iterator[Route]:
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            schema = route.get("requestBody", {}).get("content", {}).get(_FORM, {}).get("schema", {})
            fields = tuple(_fields(schema.get("properties", {})))
            form = ["-F", "image=@photo.jpg"] if fields else []
            for name, value in _TRIED.get(path, {}).items():
                form += ["-F", f"{name}={value}"]
            answer = route["responses"].get("200", {}).get("content", {})
            yield Route(
                method=method.upper(),
                path=path,
                summary=route.get("summary", ""),
                description=route.get("description", ""),
                fields=fields,
                command=shlex.join(["curl", *form, address + path.replace("{name}", "geometric")]),
                answers={kind: _shown(one["example"]) for kind, one in answer.items() if "example" in one},
                errors={
                    status: one["description"]
                    for status, one in route["responses"].items()
                    if fields and status.startswith(("4", "5"))
                },
            )


def _fields(properties: Mapping[str, Any]) -> Iterator[Field]:
    for name, part in properties.items():
        kinds = [part, *part.get("anyOf", ())]
        allowed = [
            value for one in kinds for value in one.get("enum", [one["const"]] if "const" in one else [])
        ]
        limits = [f"{sign} {one[key]:g}" for one in kinds for key, sign in _LIMITS.items() if key in one]
        examples = [f"e.g. {example}" for example in part.get("examples", ())]
        words = [", ".join(map(str, allowed)), " ".join(limits), *map(str, examples)]
        yield Field(name, part.get("description", ""), "; ".join(word for word in words if word))


_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}


def _shown(example: Any) -> str:
    if isinstance(example, str):
        return example.replace("\\n", "\n")
    return json.dumps(example, indent=2, ensure_ascii=False)
