"""What a picture shows besides the expression: the statistical annotation of FFE (PixelSmile, appendix E).

People are asked about in the words of table 4. Of table 5, the one for anime, there is no text to be had: its
categories are those that the paper's figure 13 and section E.2 speak of, put in the same words. A sentence of
8 to 25 words is asked for; what is read is any sentence of bounded length.
"""

from typing import get_args

from pydantic import JsonValue, TypeAdapter

from pixelsmile.expressions import Domain
from pixelsmile.judges.judge import (
    MAX_SENTENCE,
    AgeGroup,
    Gender,
    SeenExpression,
    SkinTone,
    Statistics,
    Style,
)
from pixelsmile.judges.rubrics.rubric import Rubric, read_object, require_object
from pixelsmile.limits import shown
from pixelsmile.remote import UnusableReplyError

_CATEGORIES: dict[Domain, dict[str, tuple[str, ...]]] = {
    "human": {
        "gender": get_args(Gender),
        "age_group": get_args(AgeGroup),
        "skin_tone": get_args(SkinTone),
        "expression": get_args(SeenExpression),
    },
    "anime": {
        "gender": get_args(Gender),
        "age_group": get_args(AgeGroup),
        "style": get_args(Style),
        "expression": get_args(SeenExpression),
    },
}
_SENTENCES = {
    "appearance_sentence": "One sentence about clothing and accessories.",
    "action_sentence": "One sentence about action or pose.",
    "background_sentence": "One sentence about scene/background.",
}
_OF_WHAT: dict[Domain, str] = {"human": "a single person image", "anime": "a single anime character image"}


_ADAPTER = TypeAdapter(Statistics)


def _lines(values: dict[str, str]) -> str:
    return ",\n".join(f'    "{key}": "{words}"' for key, words in values.items())


def _instructions(domain: Domain) -> str:
    categories = {key: "/".join(values) for key, values in _CATEGORIES[domain].items()}
    return f"""\
System Context

You are an image annotation assistant. For {_OF_WHAT[domain]}, output strict JSON only.

Requirements

- Describe only visible facts; do not infer identity, story, or intent.
- categorical values must be selected from the provided enums.
- All three fields in descriptions must be present.
- Write all description sentences in English, each 8–25 words.

JSON Schema

{{
  "categorical": {{
{_lines(categories)}
  }},
  "descriptions": {{
{_lines(_SENTENCES)}
  }}
}}"""


def _schema(domain: Domain) -> dict[str, JsonValue]:
    categories: dict[str, JsonValue] = {
        key: {"type": "string", "enum": list(values)} for key, values in _CATEGORIES[domain].items()
    }
    sentences: dict[str, JsonValue] = {key: {"type": "string"} for key in _SENTENCES}
    return _object({"categorical": _object(categories), "descriptions": _object(sentences)})


def _object(properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _reader(domain: Domain) -> Rubric:
    def read(text: str) -> Statistics:
        record = require_object(read_object(text), "the answer", {"categorical", "descriptions"})
        categories = require_object(record["categorical"], "categorical", set(_CATEGORIES[domain]))
        sentences = require_object(record["descriptions"], "descriptions", set(_SENTENCES))
        for key, value in categories.items():
            if value not in _CATEGORIES[domain][key]:
                raise UnusableReplyError(f"{key} is none of its values, but {shown(value)}")
        said = {key.removesuffix("_sentence"): _sentence(key, value) for key, value in sentences.items()}
        return _ADAPTER.validate_python({"judge": "", **categories, **said})

    return Rubric(f"statistics-{domain}-1", _instructions(domain), _schema(domain), read)


def _sentence(key: str, value: JsonValue) -> str:
    """One line of text, in which nothing but single spaces parts words."""
    if not isinstance(value, str) or not value.strip():
        raise UnusableReplyError(f"{key} is no sentence, but {shown(value)}")
    text = " ".join(value.split())
    if len(text) > MAX_SENTENCE or not text.isprintable():
        raise UnusableReplyError(f"{key} is no sentence of at most {MAX_SENTENCE} letters: {shown(value)}")
    return text


STATISTICS: dict[Domain, Rubric] = {domain: _reader(domain) for domain in _CATEGORIES}
