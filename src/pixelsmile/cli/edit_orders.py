"""From the options of `pixelsmile edit` to the sweeps that are wanted, and the names of their files."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixelsmile.errors import InputError, StrengthError
from pixelsmile.expressions import EXPRESSIONS, parse_blend, parse_expression
from pixelsmile.records import MANIFEST_NAME
from pixelsmile.results.sweep import format_strength

ALL = "all"
GRID_NAME = "grid.png"
_MAX_SLUG_LENGTH = 60
_MAX_NAMED_IN_FOLDER = 3


@dataclass(frozen=True)
class Request:
    """One sweep: exactly one of expression, blend and prompt is set."""

    label: str
    slug: str  # how its files begin
    expression: str | None = None
    blend: dict[str, float] | None = None
    prompt: str | None = None


def read_requests(options: argparse.Namespace) -> list[Request]:
    """The sweeps in the order of expressions, blends, prompts; what is asked for twice is made once."""
    requests = [Request(name, name, expression=name) for name in _expressions(options.expression)]
    requests += [_blend_request(parse_blend(text)) for text in options.blend]
    requests += [_prompt_request(text) for text in options.prompt]
    if not requests:
        raise InputError("nothing to change: add -e happy, --blend happy=0.6,surprised=0.4 or --prompt TEXT")
    return _with_own_slugs(list({request.label: request for request in requests}.values()))


def picture_name(request: Request, strength: float) -> str:
    """The file of one edit."""
    return f"{request.slug}-{format_strength(strength)}.png"


def animation_name(request: Request) -> str:
    """The file of a sweep's animation."""
    return f"{request.slug}.gif"


def output_names(requests: Sequence[Request], strengths: Sequence[float], grid: bool, gif: bool) -> list[str]:
    """Every file that the edit will write; StrengthError for a strength given twice."""
    repeated = [strength for index, strength in enumerate(strengths) if strength in strengths[:index]]
    if repeated:
        raise StrengthError(f"strength {repeated[0]:g} is given twice: give each once")
    names = [picture_name(request, strength) for request in requests for strength in strengths]
    if gif:
        names += [animation_name(request) for request in requests]
    if grid:
        names.append(GRID_NAME)
    return [*names, MANIFEST_NAME]


def default_folder(photo: Path, requests: Sequence[Request]) -> Path:
    """`face-happy`, `face-happy-sad`, or `face-12-edits`, in the current folder."""
    if len(requests) > _MAX_NAMED_IN_FOLDER:
        return Path(f"{photo.stem}-{len(requests)}-edits")
    return Path("-".join([photo.stem, *(request.slug for request in requests)]))


def _expressions(texts: Sequence[str]) -> list[str]:
    names: list[str] = []
    for text in texts:
        names += EXPRESSIONS if text.strip().lower() == ALL else [parse_expression(text)]
    return names


def _blend_request(blend: dict[str, float]) -> Request:
    label = " + ".join(f"{name} {weight:g}" for name, weight in blend.items())
    return Request(label, _slug(label.replace(" ", "")), blend=blend)


def _prompt_request(text: str) -> Request:
    prompt = " ".join(text.split())
    if not prompt:
        raise InputError(f"the prompt {text!r} is empty: describe the expression")
    return Request(prompt, _slug(prompt), prompt=prompt)


def _slug(text: str) -> str:
    """`text` as the beginning of a file name."""
    slug = re.sub(r"[^\w.+]+", "-", text.lower()).strip("-.")[:_MAX_SLUG_LENGTH]
    return slug or "prompt"


def _with_own_slugs(requests: Sequence[Request]) -> list[Request]:
    """The requests with a number where two would write the same files."""
    taken: set[str] = set()
    distinct = []
    for request in requests:
        slug, number = request.slug, 1
        while slug in taken:
            number += 1
            slug = f"{request.slug}-{number}"
        taken.add(slug)
        distinct.append(replace(request, slug=slug))
    return distinct
