"""What a person gets to see and keep: pictures that say what they are, labelled grids, animations."""

from pixelsmile.results.animation import animated, check_animation, film_frames, fitted, frame_strengths
from pixelsmile.results.grid import Sweep, check_grid, draw_grid, file_slug, format_strength
from pixelsmile.results.pictures import (
    EDITED,
    PNG,
    PORTRAIT_KEY,
    SETTINGS_KEY,
    TRAINED,
    UNTRAINED,
    DrawnPortrait,
    PictureFormat,
    check_domain,
    edited_picture,
    picture_texts,
    portrait_png,
    read_portrait,
    source_type_uri,
)

__all__ = [
    "EDITED",
    "PNG",
    "PORTRAIT_KEY",
    "SETTINGS_KEY",
    "TRAINED",
    "UNTRAINED",
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
    "film_frames",
    "fitted",
    "format_strength",
    "frame_strengths",
    "picture_texts",
    "portrait_png",
    "read_portrait",
    "source_type_uri",
]
