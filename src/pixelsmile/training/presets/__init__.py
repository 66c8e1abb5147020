"""Whole trainings as configurations: `pixelsmile train human --set data.triplets=...`."""

from pathlib import Path

_FOLDER = Path(__file__).parent
RECIPES = ("human", "anime", "embedded")


def recipe_path(name: str) -> Path:
    """The YAML file of one of RECIPES."""
    return _FOLDER / f"{name}.yaml"
