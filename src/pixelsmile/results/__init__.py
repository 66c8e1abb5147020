"""What a person gets to see and keep: pictures that say what they are, labelled grids, animations."""

from pixelsmile.results.animation import animated, check_animation, frame_strengths
from pixelsmile.results.grid import Sweep, check_grid, draw_grid, file_slug, format_strength
from pixelsmile.results.pictures import (
    PNG,
    PORTRAIT_KEY,
    SETTINGS_KEY,
    DrawnPortrait,
    PictureFormat,
    check_domain,
    edited_picture,
    picture_texts,
    portrait_png,
    read_portrait,
)

__all__ = [
    "PNG",
    "PORTRAIT_KEY",
    "SETTINGS_KEY",
    "DrawnPortrait",
    "PictureFormat",
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
