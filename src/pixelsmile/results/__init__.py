"""What a person gets to see and keep: pictures that say what they are, labelled grids, animations."""

from pixelsmile.results.animation import animated, check_animation, frame_strengths
from pixelsmile.results.grid import check_grid, draw_grid
from pixelsmile.results.pictures import (
    PNG,
    PORTRAIT_KEY,
    SETTINGS_KEY,
    PictureForm,
    edited_picture,
    picture_texts,
    portrait_png,
)
from pixelsmile.results.portrait_text import DrawnPortrait, check_domain, read_portrait
from pixelsmile.results.sweep import Sweep, file_slug, format_strength

__all__ = [
    "PNG",
    "PORTRAIT_KEY",
    "SETTINGS_KEY",
    "DrawnPortrait",
    "PictureForm",
    "Sweep",
    "animated",
    "check_animation",
    "check_domain",
    "check_grid",
    "draw_grid",
    "edited_picture",
    "file_slug",
    "format_strength",
    "frame_strengths",
    "picture_texts",
    "portrait_png",
    "read_portrait",
]
