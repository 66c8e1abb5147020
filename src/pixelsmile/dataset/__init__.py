"""Data sets of expressions, built from anyone's portraits: steps from pictures to rows that one can train on.

Presets are whole configurations: `pixelsmile dataset build drawn -o people`.
"""

from pathlib import Path

PRESETS = ("drawn", "ffe-miniature", "fed-miniature", "photograph-edits", "photographs")


def preset_path(name: str) -> Path:
    """The YAML file of one of PRESETS."""
    return Path(__file__).parent / "presets" / f"{name}.yaml"
