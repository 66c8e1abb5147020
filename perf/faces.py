"""Faces a second: detect, align, embed, on drawn portraits with the embedded networks; memory.

And how far the two warps, NumPy's and torch's, lie apart.

    python perf/faces.py
"""

import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from pixelsmile.embedded import detector_path, encoder_paths
from pixelsmile.faces.alignment import align, align_batch
from pixelsmile.faces.detectors.drawn import DrawnDetector
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.portraits import Portrait, action_units, draw_portrait, sample_identity

NUM_FACES, SIDE_PX, BATCH = 32, 256, 32
ROUNDS = 5
FIRST_SEED = 5_900_000


def portraits() -> list[Portrait]:
    """People that no network was trained on, of both domains."""
    return [
        draw_portrait(
            sample_identity(FIRST_SEED + index),
            action_units("happy", index / NUM_FACES),
            "anime" if index % 2 else "human",
            SIDE_PX,
        )
        for index in range(NUM_FACES)
    ]


def seconds(call: Callable[[], object]) -> float:
    """The median time of a call."""
    call()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure each stage alone, then all of them, one face at a time and in a batch."""
    drawn = portraits()
    pictures = [np.asarray(portrait.image) for portrait in drawn]
    landmarks = [portrait.truth.landmarks_5 for portrait in drawn]
    before_mb = memory_mb()
    detector = DrawnDetector.from_folder(detector_path())
    encoders = [load_encoder(path) for path in encoder_paths()]
    sizes = sorted({encoder.size_px for encoder in encoders})

    def detect() -> list[np.ndarray]:
        found = [detector.detect(portrait.image)[0].landmarks_5 for portrait in drawn]
        return [landmarks for landmarks in found if landmarks is not None]

    def aligned(points: list[np.ndarray]) -> dict[int, np.ndarray]:
        return {
            size: np.stack(
                [
                    align(picture, marks, size).transpose(2, 0, 1) / np.float32(255)
                    for picture, marks in zip(pictures, points, strict=True)
                ]
            ).astype(np.float32)
            for size in sizes
        }

    def embed(crops: dict[int, np.ndarray], batch: int) -> None:
        for encoder in encoders:
            for start in range(0, NUM_FACES, batch):
                encoder.embed(crops[encoder.size_px][start : start + batch])

    def all_three(batch: int) -> None:
        embed(aligned(detect()), batch)

    crops = aligned(landmarks)
    print(
        f"{NUM_FACES} portraits of {SIDE_PX} px, {len(encoders)} encoders, {torch.get_num_threads()} threads"
    )
    print(f"detect      {NUM_FACES / seconds(detect):8.1f} faces/s, one at a time")
    print(f"align       {NUM_FACES / seconds(lambda: aligned(landmarks)):8.1f} faces/s to {sizes} px, NumPy")
    for batch in (1, BATCH):
        rate = NUM_FACES / seconds(partial(embed, crops, batch))
        print(f"embed       {rate:8.1f} faces/s through all encoders, batch {batch}")
    for batch in (1, BATCH):
        rate = NUM_FACES / seconds(partial(all_three, batch))
        print(f"all three   {rate:8.1f} faces/s, batch {batch}")
    print(f"memory      {memory_mb() - before_mb:8.0f} MB above the {before_mb:.0f} MB before the networks")
    print(
        f"warps       {difference(pictures, landmarks, sizes):8.1e} of 1: largest difference NumPy to torch"
    )


def difference(pictures: list[np.ndarray], landmarks: list[np.ndarray], sizes: list[int]) -> float:
    """The largest difference of a pixel of the two warps, colours in 0..1, both in float32."""
    images_BCHW = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    largest = 0.0
    for size in sizes:
        torch_BCHW = align_batch(images_BCHW, landmarks, size).numpy()
        numpy_BHWC = np.stack(
            [
                align(picture.astype(np.float32) / 255, marks, size)
                for picture, marks in zip(pictures, landmarks, strict=True)
            ]
        )
        largest = max(largest, float(np.abs(torch_BCHW - numpy_BHWC.transpose(0, 3, 1, 2)).max()))
    return largest


if __name__ == "__main__":
    main()
