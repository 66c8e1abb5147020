"""What a person gets to see and keep: pictures that say what they are, labelled grids, animations."""

from pixelsmile.results.animation import animation_gif
from pixelsmile.results.grid import check_grid, draw_grid
from pixelsmile.results.png import PORTRAIT_KEY, SETTINGS_KEY, edited_png, portrait_png
from pixelsmile.results.portrait_text import DrawnPortrait, check_domain, read_portrait
from pixelsmile.results.sweep import Sweep, file_slug, format_strength

__all__ = [
    "PORTRAIT_KEY",
    "SETTINGS_KEY",
    "DrawnPortrait",
    "Sweep",
    "animation_gif",
    "check_domain",
    "check_grid",
    "draw_grid",
    "edited_png",
    "file_slug",
    "format_strength",
    "portrait_png",
    "read_portrait",
]
