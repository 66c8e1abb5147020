"""Training the adapter: triplets in, through a cache and a loop that can be killed, an adapter out.

Or a control of another method comes out (`editing/controls`). Presets are whole trainings as configurations:
`pixelsmile train human --set data.triplets=...`.
"""

from pathlib import Path

from pixelsmile.editing.controls.settings import METHODS

PRESETS = ("human", "anime", "embedded", "fed", *METHODS)


def preset_path(name: str) -> Path:
    """The YAML file of one of PRESETS."""
    return Path(__file__).parent / "presets" / f"{name}.yaml"
