"""Drawn portraits laid out as MEAD's frames."""

from pathlib import Path

import numpy as np

from pixelsmile.expressions import NEUTRAL
from pixelsmile.portraits import Portrait, action_units, draw_portrait, sample_identity
from pixelsmile.triplets.mead import LEVEL_STRENGTHS

EMOTIONS = {
    "neutral": NEUTRAL,
    "angry": "angry",
    "disgusted": "disgust",
    "fear": "fear",
    "surprised": "surprised",
}


def draw_mead(root: Path, people: tuple[str, ...] = ("M003",), size_px: int = 128) -> dict[Path, Portrait]:
    """Frames of people, neutral and with four emotions at three levels; each with its truth."""
    drawn = {}
    for seed, person in enumerate(people):
        for emotion, expression in EMOTIONS.items():
            for level, strength in LEVEL_STRENGTHS.items():
                if expression == NEUTRAL and level > 1:
                    continue
                units = action_units(expression, 0.0 if expression == NEUTRAL else strength, 0)
                portrait = draw_portrait(sample_identity(20_000_000 + seed), units, "human", size_px)
                path = root / person / "video" / "front" / emotion / f"level_{level}" / "001" / "0001.png"
                path.parent.mkdir(parents=True)
                portrait.image.save(path)
                drawn[path] = portrait
    return drawn


def write_clip(path: Path, portrait: Portrait, num_frames: int = 4) -> None:
    """A clip in which nothing moves. Needs OpenCV."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, portrait.image.size)
    for _ in range(num_frames):
        writer.write(np.ascontiguousarray(np.asarray(portrait.image)[..., ::-1]))
    writer.release()
