"""Paste an edited face back into a picture of 4000 x 3000: time, memory, and how many pixels outside changed.

python perf/pasting.py
"""

import resource
import statistics
import time

import numpy as np
from PIL import Image

from pixelsmile.editing.face_edits import MASK_GROW, MASK_SOFT
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import face_mask
from pixelsmile.faces.pasting import fit_edit, paste
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

SIZE = (4000, 3000)
PORTRAIT_PX, PLACE = 1800, (1400, 700)
EDIT_PX = 1024
ROUNDS = 5


def scene(expression: str) -> tuple[Image.Image, Face]:
    """A drawn portrait in a large noisy picture, and where its face is."""
    portrait = draw_portrait(sample_identity(7), action_units(expression), "human", PORTRAIT_PX)
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.paste(portrait.image, PLACE)
    x0, y0, x1, y1 = portrait.truth.face_box
    box = (x0 + PLACE[0], y0 + PLACE[1], x1 + PLACE[0], y1 + PLACE[1])
    return picture, Face(box, portrait.truth.landmarks_5 + PLACE, 1.0, "truth")


def main() -> None:
    """Measure; the edit is the same person drawn happy, at the size that an editor gives."""
    picture, face = scene("neutral")
    crop = crop_around(face, SIZE)
    edit = crop.cut(scene("happy")[0]).resize((EDIT_PX, EDIT_PX), Image.Resampling.LANCZOS)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        mask = face_mask(crop.face(face), (crop.side, crop.side), grow=MASK_GROW, soft=MASK_SOFT)
        fitted = fit_edit(picture, edit, crop, mask)
        result = paste(picture, fitted)
        times.append(time.perf_counter() - started)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    outside = np.ones((SIZE[1], SIZE[0]), bool)
    x0, y0, x1, y1 = crop.inside
    outside[y0:y1, x0:x1] = mask[y0 - crop.top : y1 - crop.top, x0 - crop.left : x1 - crop.left] == 0
    changed = (np.asarray(result) != np.asarray(picture)).any(-1)
    print(f"picture {SIZE[0]} x {SIZE[1]}, crop {crop.side} px, edit {EDIT_PX} px")
    print(f"pixels changed: {changed.sum():,} inside the mask, {(changed & outside).sum()} outside")
    print(f"time: {statistics.median(times):.2f} s a face (median of {ROUNDS})")
    print(f"memory: {peak_mb - before_mb:.0f} MB above the {before_mb:.0f} MB with picture and edit loaded")
    print(f"drift found: {fitted.drift}")


if __name__ == "__main__":
    main()
