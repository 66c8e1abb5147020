"""From the options of `pixelsmile edit` to the sweeps that it orders."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.edit_faces import parse_face_order
from pixelsmile.cli.edit_options import DEFAULT_NUM_FRAMES
from pixelsmile.cli.parsing import parts_of
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, format_blend, parse_blend, parse_expression
from pixelsmile.results.sweep import file_slug

if TYPE_CHECKING:
    from pixelsmile.editing.edit_files import FileForm

ALL = "all"
_MAX_NAMED_IN_FOLDER = 3


@dataclass(frozen=True)
class Order:
    """One sweep: one of expression, blend, prompt and units is set, or none where each face has its own."""

    label: str
    slug: str  # how its files begin
    expression: str | None = None
    blend: dict[str, float] | None = None
    prompt: str | None = None
    units: dict[str, float] | None = None


def read_orders(options: argparse.Namespace) -> list[Order]:
    """The sweeps by expressions, blends, units, prompts; what is asked for twice is made once."""
    if options.face and "=" in options.face[0]:
        label = ", ".join(parse_face_order(text).label for text in options.face)
        return [Order(label, file_slug(label))]
    orders = [Order(name, name, expression=name) for name in _expressions(options.expression)]
    orders += [_blend_order(parse_blend(text)) for text in options.blend]
    orders += [_units_order(text) for text in options.units]
    orders += [_prompt_order(text) for text in options.prompt]
    if not orders:
        raise InputError(
            "nothing to change: add -e happy, --blend happy=0.6,surprised=0.4, --units jaw_drop=0.4 or "
            "--prompt TEXT"
        )
    return _with_own_slugs(_distinct(orders))


def read_form(options: argparse.Namespace) -> "FileForm":
    """What the files are. InputError, StrengthError."""
    from pixelsmile.editing.edit_files import FileForm
    from pixelsmile.results import PictureForm, check_animation, frame_strengths

    animations = tuple(dict.fromkeys([*(["gif"] if options.gif else []), *options.animate]))
    if not animations and options.frames is not None:
        raise InputError("--frames counts the frames of an animation: add --gif, or --animate gif,webp,mp4")
    for animation in animations:
        check_animation(animation)
    num_frames = options.frames or DEFAULT_NUM_FRAMES
    frames = tuple(frame_strengths(options.strengths, num_frames)) if animations else ()
    return FileForm(PictureForm(options.format, options.quality), options.grid, animations, frames)


def default_folder(photo: Path, orders: Sequence[Order]) -> Path:
    """`face-happy`, `face-happy-sad`, or `face-12-edits`, in the current folder."""
    if len(orders) > _MAX_NAMED_IN_FOLDER:
        return Path(f"{photo.stem}-{len(orders)}-edits")
    return Path("-".join([photo.stem, *(order.slug for order in orders)]))


def _distinct(orders: Sequence[Order]) -> list[Order]:
    return [order for index, order in enumerate(orders) if order not in orders[:index]]


def _expressions(texts: Sequence[str]) -> list[str]:
    names: list[str] = []
    for given in texts:
        if "=" in given:
            raise InputError(f"weights make a blend: write --blend {given}, or -e {given.partition('=')[0]}")
    for text in (part for given in texts for part in parts_of(given)):
        names += EXPRESSIONS if text.lower() == ALL else [parse_expression(text)]
    return names


def _blend_order(blend: dict[str, float]) -> Order:
    label = " + ".join(f"{name} {weight:g}" for name, weight in blend.items())
    return Order(label, file_slug(format_blend(blend)), blend=blend)


def _units_order(text: str) -> Order:
    from pixelsmile.portraits.action_units import parse_units

    units = parse_units(text)
    label = " + ".join(f"{name} {value:g}" for name, value in units.items())
    return Order(label, file_slug(format_blend(units)), units=units)


def _prompt_order(text: str) -> Order:
    prompt = " ".join(text.split())
    if not prompt:
        raise InputError(f"the prompt {text!r} is empty: describe the expression")
    return Order(prompt, file_slug(prompt), prompt=prompt)


def _with_own_slugs(orders: Sequence[Order]) -> list[Order]:
    """The orders with a number where two would write the same files."""
    taken = {"grid"}  # the sheet
    distinct = []
    for order in orders:
        slug, number = order.slug, 1
        while slug in taken:
            number += 1
            slug = f"{order.slug}-{number}"
        taken.add(slug)
        distinct.append(replace(order, slug=slug))
    return distinct
