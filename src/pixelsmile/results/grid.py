"""Sweeps of one picture over rising strengths, the names of their files, and the labelled sheet of them.

A row of the sheet is a sweep (an expression, a blend, a prompt), a column a strength; the source comes first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pixelsmile.errors import ImageError

_PAPER = (250, 249, 246)
_INK = (38, 38, 44)
_MUTED = (132, 129, 124)
_MAX_TILE_PX = 320
_MASK_OVERSAMPLING = 4
MAX_TILES = 800  # about 80 million pixels at the largest tile
_MAX_SLUG_LENGTH = 60
_BLEND = re.compile(r"[a-z]+=[\d.]+(,[a-z]+=[\d.]+)*")


@dataclass(frozen=True)
class Sweep:
    """The edits of one picture towards one expression, in the order of the strengths."""

    label: str  # as a person reads it
    images: Sequence[Image.Image]
    strengths: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.strengths):
            raise ValueError(f"{len(self.images)} images for {len(self.strengths)} strengths")


def file_slug(label: str) -> str:
    """How the files of a sweep begin: `happy`, `happy0.6+sad0.4` of a blend, words with dashes."""
    text = label.lower()
    if _BLEND.fullmatch(text):
        text = text.replace("=", "").replace(",", "+")
    slug = re.sub(r"[^\w.+]+", "-", text).strip("-.")[:_MAX_SLUG_LENGTH]
    return slug or "prompt"


def format_strength(strength: float) -> str:
    """`0.50` for 0.5: as many digits as the number has, two at least, so that file names sort."""
    text = f"{strength:.2f}"
    return text if float(text) == strength else repr(strength)


def draw_grid(source: Image.Image, sweeps: Sequence[Sweep], caption: str) -> Image.Image:
    """The sheet of `sweeps` (all over the same strengths, all of one size), with `caption` below.

    Pictures keep their size up to 320 px, larger ones are scaled down; the source is cropped to their shape.
    ImageError where `check_grid` refuses.
    """
    strengths = list(sweeps[0].strengths)
    check_grid(len(sweeps), len(strengths))
    if any(list(sweep.strengths) != strengths for sweep in sweeps):
        raise ValueError("the sweeps of one grid share their strengths")
    tile = min(_MAX_TILE_PX, max(sweeps[0].images[0].size))
    layout = _Layout(tile, tuple(sweep.label for sweep in sweeps), 1 + len(strengths))
    sheet = Image.new("RGB", layout.size, _PAPER)
    _draw_header(sheet, layout, strengths)
    mask = _rounded_mask(tile)
    source = ImageOps.fit(source, sweeps[0].images[0].size, Image.Resampling.LANCZOS)
    for row, sweep in enumerate(sweeps):
        _draw_label(sheet, layout, row)
        for column, image in enumerate([source, *sweep.images]):
            sheet.paste(_fit(image, tile), (layout.column_x(column), layout.row_y(row)), mask)
    _draw_caption(sheet, layout, caption)
    return sheet


def check_grid(num_sweeps: int, num_strengths: int) -> None:
    """ImageError where a sheet would be too large to look at."""
    if num_sweeps * (1 + num_strengths) > MAX_TILES:
        raise ImageError(f"a grid of {num_sweeps} x {num_strengths} pictures is too large: ask for fewer")


@dataclass(frozen=True)
class _Layout:
    """Every length of the sheet, in pixels, from the size of a tile, the labels and the counts."""

    tile: int
    labels: tuple[str, ...]
    num_columns: int

    @property
    def gap(self) -> int:
        return max(4, self.tile // 24)

    @property
    def margin(self) -> int:
        return max(16, self.tile // 7)

    @cached_property
    def font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(max(11, self.tile / 13))

    @cached_property
    def small_font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(max(10, self.tile / 18))

    @cached_property
    def wrapped_labels(self) -> tuple[str, ...]:
        return tuple(_wrap(label, self.font, self.tile) for label in self.labels)

    @property
    def label_width(self) -> int:
        lines = [line for label in self.wrapped_labels for line in label.split("\n")]
        return round(max(self.font.getlength(line) for line in lines)) + self.margin // 2

    @property
    def header(self) -> int:
        return round(self.tile * 0.2)

    @property
    def source_gap(self) -> int:
        return self.gap * 3

    @property
    def size(self) -> tuple[int, int]:
        right = self.column_x(self.num_columns - 1) + self.tile + self.margin
        bottom = self.row_y(len(self.labels) - 1) + self.tile + self.footer
        return right, bottom

    @property
    def footer(self) -> int:
        return self.margin + round(self.tile * 0.09)

    def column_x(self, column: int) -> int:
        """The left edge of a column; column 0 is the source, set a little apart."""
        left = self.margin + self.label_width + column * (self.tile + self.gap)
        return left + (self.source_gap - self.gap if column else 0)

    def row_y(self, row: int) -> int:
        return self.margin // 2 + self.header + row * (self.tile + self.gap)


def _draw_header(sheet: Image.Image, layout: _Layout, strengths: Sequence[float]) -> None:
    draw = ImageDraw.Draw(sheet)
    baseline = layout.row_y(0) - layout.gap * 1.2
    for column, text in enumerate(["source", *(f"{strength:g}" for strength in strengths)]):
        center = layout.column_x(column) + layout.tile / 2
        draw.text((center, baseline), text, _MUTED if column == 0 else _INK, layout.font, anchor="ms")
    left, right = layout.column_x(1), layout.column_x(len(strengths)) + layout.tile
    rule_y = baseline - layout.tile * 0.115
    half = layout.small_font.getlength("strength") / 2 + layout.gap
    middle = (left + right) / 2
    draw.text((middle, rule_y), "strength", _MUTED, layout.small_font, anchor="mm")
    for start, end in ((left, middle - half), (middle + half, right)):
        draw.line((start, rule_y, end, rule_y), _MUTED, 1)


def _draw_label(sheet: Image.Image, layout: _Layout, row: int) -> None:
    x = layout.margin + layout.label_width - layout.margin // 2
    y = layout.row_y(row) + layout.tile / 2
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((x, y), layout.wrapped_labels[row], _INK, layout.font, anchor="rm", align="right")


def _draw_caption(sheet: Image.Image, layout: _Layout, caption: str) -> None:
    x = layout.column_x(0)
    y = layout.size[1] - layout.footer / 2
    ImageDraw.Draw(sheet).text((x, y), caption, _MUTED, layout.small_font, anchor="lm")


def _fit(image: Image.Image, tile: int) -> Image.Image:
    """`image` centred in a square of `tile` pixels."""
    scale = tile / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    square = Image.new("RGB", (tile, tile), _PAPER)
    square.paste(scaled, ((tile - size[0]) // 2, (tile - size[1]) // 2))
    return square


def _rounded_mask(tile: int) -> Image.Image:
    side = tile * _MASK_OVERSAMPLING
    large = Image.new("L", (side, side))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, side - 1, side - 1), radius=side // 22, fill=255)
    return large.resize((tile, tile), Image.Resampling.LANCZOS)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """`text` broken at spaces into lines of at most `width` pixels (a longer word stands alone)."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
