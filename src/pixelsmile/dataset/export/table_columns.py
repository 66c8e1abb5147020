"""The columns of a table of rows: what is published of a row, and of which type each column is.

Left out is what tells of the work and not of the picture (places on disk, reasons of rejection), and the
embedding of the face: who has it can find the person in other pictures.
"""

import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import JsonValue

from pixelsmile.dataset.rows import Row
from pixelsmile.expressions import EXPRESSIONS

Kind = Literal["image", "string", "int64", "float64", "bool", "list<float64>", "list<string>", "scores"]
Columns = dict[str, Kind]

IMAGE = "image"
SCORES: Literal["scores"] = "scores"  # a number for each of EXPRESSIONS, by its name
_NOT_PUBLISHED = frozenset(
    (
        *("picture", "base_picture", "encoder", "embedding"),
        *("step", "reason", "measured", "limit", "detail"),
    )
)
_PLAIN: dict[Any, Kind] = {str: "string", int: "int64", float: "float64", bool: "bool"}
_CROISSANT: dict[Kind, str] = {
    "image": "sc:ImageObject",
    "string": "sc:Text",
    "int64": "sc:Integer",
    "float64": "sc:Float",
    "bool": "sc:Boolean",
    "list<float64>": "sc:Float",
    "list<string>": "sc:Text",
}


def published(row: Row) -> dict[str, Any]:
    """What is known of a row, without what is not published."""
    record = row.model_dump(exclude=set(_NOT_PUBLISHED), exclude_none=True)
    if row.scores is not None:
        record[SCORES] = dict(zip(EXPRESSIONS, row.scores, strict=True))
    return record


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A row of a table as `Row` has it: scores in the order of EXPRESSIONS."""
    scores = record.get(SCORES)
    if not isinstance(scores, dict):
        return record
    return record | {SCORES: tuple(scores.get(name) for name in EXPRESSIONS)}


def columns_of(known: Iterable[str]) -> Columns:
    """The picture, and then a column for each of these fields of Row, in the order of Row."""
    wanted = set(known)
    found: Columns = {IMAGE: "image"}
    for name, field in Row.model_fields.items():
        if name in wanted and name not in _NOT_PUBLISHED:
            found[name] = SCORES if name == SCORES else _kind(field.annotation)
    return found


def _kind(annotation: Any) -> Kind:
    """Of a field of Row: a number, a text, a yes or no, or several of one of these; or none of it."""
    origin, inner = get_origin(annotation), [part for part in get_args(annotation) if part is not type(None)]
    if origin in (Union, types.UnionType):
        return _kind(inner[0])
    if origin is Literal:
        return "string"
    if origin is tuple:
        return "list<string>" if _kind(inner[0]) == "string" else "list<float64>"
    return _PLAIN[annotation]


def features(columns: Columns) -> dict[str, JsonValue]:
    """As the `datasets` library keeps them in the schema of a Parquet file."""
    return {name: _feature(kind) for name, kind in columns.items()}


def _feature(kind: Kind) -> JsonValue:
    if kind == "image":
        return {"_type": "Image"}
    if kind == SCORES:
        return {name: _feature("float64") for name in EXPRESSIONS}
    if kind.startswith("list"):
        return {"feature": {"dtype": _inner(kind), "_type": "Value"}, "_type": "List"}
    return {"dtype": kind, "_type": "Value"}


def card_features(columns: Columns) -> list[JsonValue]:
    """As the head of a data set's card has them."""
    return [_card_feature(name, kind) for name, kind in columns.items()]


def _card_feature(name: str, kind: Kind) -> JsonValue:
    if kind == SCORES:
        return {"name": name, "struct": [_card_feature(each, "float64") for each in EXPRESSIONS]}
    if kind.startswith("list"):
        return {"name": name, "list": _inner(kind)}
    return {"name": name, "dtype": kind}


def croissant_type(kind: Kind) -> str:
    """The data type of a column in Croissant; not of scores, which are fields of their own."""
    return _CROISSANT[kind]


def _inner(kind: Kind) -> str:
    return kind.removeprefix("list<").removesuffix(">")
