"""The imperceptible mark and the signature: found after what happens to pictures, and where there is none.

    python perf/marks.py found PICTURES... [--drawn 60]      after JPEG, scaling, cropping; PSNR; milliseconds
    python perf/marks.py alarms PICTURES... [--count 1000]   the highest scores of pictures without the mark
    python perf/marks.py tampering [--count 40]              changed bytes of signed files (extra: sign)

PICTURES: photographs, files and folders; drawn portraits come beside them, human and anime. `alarms` looks at
each photograph, a crop and a JPEG of half the size, and draws as many portraits as are missing, at 256 px.
--workers N: by so many processes.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from counts import whole
from PIL import Image

from pixelsmile.expressions import DOMAINS
from pixelsmile.images import load_image
from pixelsmile.portraits import blend_units, draw_portrait, sample_identity
from pixelsmile.provenance.certificates import make_test_certificate
from pixelsmile.provenance.credentials import Claim, open_signer, parent_of, read_credentials, signed
from pixelsmile.provenance.watermark import THRESHOLD, false_alarm_bound, find_mark, marked
from pixelsmile.results import animated

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
EXPRESSIONS = ("happy", "sad", "angry", "surprised", "fear", "disgust")
DRAWN_PX, SMALL_PX, LEAST_PX = 512, 250, 100
UNMARKED_PX = 256
T = TypeVar("T")
Given = TypeVar("Given")
Load = Callable[[], Image.Image]
Way = Callable[[Image.Image], Image.Image]
Task = tuple[str, Load]  # the kind that a picture is counted under, and how it is had


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return load_image(saved(image, "JPEG", quality=quality))


def half(image: Image.Image) -> Image.Image:
    return image.resize((max(32, image.width // 2), max(32, image.height // 2)), Image.Resampling.LANCZOS)


def small_jpeg(image: Image.Image) -> Image.Image:
    return jpeg(half(image), 75)


def crop(image: Image.Image) -> Image.Image:
    """.8 of each side, away from the middle."""
    left, top = round(0.13 * image.width), round(0.05 * image.height)
    return image.crop((left, top, left + round(0.8 * image.width), top + round(0.8 * image.height)))


WAYS: dict[str, Way] = {
    "PNG": lambda image: load_image(saved(image, "PNG")),
    "JPEG 90": lambda image: jpeg(image, 90),
    "JPEG 75": lambda image: jpeg(image, 75),
    "WebP 80": lambda image: load_image(saved(image, "WEBP", quality=80)),
    "half": half,
    "half, JPEG 75": small_jpeg,
    "crop .8": crop,
    "crop .8, JPEG 75": lambda image: jpeg(crop(image), 75),
    "half, crop .8, JPEG 75": lambda image: jpeg(crop(half(image)), 75),
}


def photographs(paths: list[Path]) -> list[Task]:
    """Those of at least LEAST_PX on each side, of which the kind is told by their size."""
    tasks: list[Task] = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix.lower() in SUFFIXES:
                with Image.open(file) as image:
                    side = min(image.size)
                if side >= LEAST_PX:
                    kind = "photo" if side >= SMALL_PX else f"under {SMALL_PX} px"
                    tasks.append((kind, partial(load_image, file)))
    return tasks


def drawn(count: int, size: int, first_seed: int) -> list[Task]:
    domains = [DOMAINS[index % 2] for index in range(count)]
    return [(domain, partial(draw, index, size, first_seed)) for index, domain in enumerate(domains)]


def draw(index: int, size: int, first_seed: int) -> Image.Image:
    units = blend_units({EXPRESSIONS[index // 2 % len(EXPRESSIONS)]: 0.5 + index % 3 / 2})
    return draw_portrait(sample_identity(first_seed + index), units, DOMAINS[index % 2], size).image


def in_turn(measure: Callable[[Given], T], tasks: Sequence[Given], workers: int) -> Iterator[T]:
    """What is measured of each, by that many processes (0: in this one)."""
    if workers == 0:
        yield from map(measure, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(measure, tasks)


def carried(task: Task) -> tuple[str, float, float, list[bool]]:
    """Of one picture its kind, milliseconds and PSNR of the mark, and whether it is found in each way."""
    kind, load = task
    image = load()
    start = time.process_time()
    carrier = marked(image)
    took = 1000 * (time.process_time() - start)
    change = np.asarray(carrier, float) - np.asarray(image, float)
    psnr = 10 * np.log10(255**2 / np.mean(change**2))
    return kind, took, float(psnr), [find_mark(way(carrier)).is_found for way in WAYS.values()]


def found(paths: list[Path], num_drawn: int, workers: int) -> None:
    """A table of rates, and what the mark costs."""
    rows = list(in_turn(carried, photographs(paths) + drawn(num_drawn, DRAWN_PX, 0), workers))
    kinds = list(dict.fromkeys(row[0] for row in rows))
    groups = [[row for row in rows if row[0] == kind] for kind in kinds] + [rows]
    print(f"{'found, of':<26}" + "".join(f"{kind:>14}" for kind in [*kinds, "all"]))
    print(f"{'':<26}" + "".join(f"{len(group):>14}" for group in groups))
    for place, way in enumerate(WAYS):
        cells = [sum(row[3][place] for row in group) / len(group) for group in groups]
        print(f"{way:<26}" + "".join(f"{cell:>14.3f}" for cell in cells))
    for name, of in (("PSNR dB, median", np.median), ("PSNR dB, least", np.min)):
        print(f"{name:<26}" + "".join(f"{of([row[2] for row in group]):>14.1f}" for group in groups))
    times = [row[1] for row in rows]
    print(f"milliseconds to mark: median {np.median(times):.0f}, most {max(times):.0f} (one core)")


def as_it_is(image: Image.Image) -> Image.Image:
    return image


def without(task: tuple[str, Load, Way]) -> tuple[str, float, float]:
    """Of one picture without the mark its kind, milliseconds, and score."""
    kind, load, way = task
    image = way(load())
    start = time.process_time()
    score = find_mark(image).score
    return kind, 1000 * (time.process_time() - start), score


def alarms(paths: list[Path], count: int, workers: int) -> None:
    """The scores where there is no mark: of photographs, their crops and small JPEGs, and of drawn ones."""
    ways: tuple[Way, ...] = (as_it_is, crop, small_jpeg)
    tasks = [(kind, load, way) for kind, load in photographs(paths) for way in ways][:count]
    tasks += [(*task, as_it_is) for task in drawn(count - len(tasks), UNMARKED_PX, 100_000)]
    rows = list(in_turn(without, tasks, workers))
    for kind, _, score in rows:
        if score >= THRESHOLD:
            print(f"false alarm: {kind}, score {score:.1f}")
    scores, times = [row[2] for row in rows], [row[1] for row in rows]
    above = sum(score >= THRESHOLD for score in scores)
    print(f"{above} false alarms in {len(rows)} pictures without the mark (threshold {THRESHOLD:g})")
    print(f"score: median {np.median(scores):.2f}, highest {max(scores):.2f}")
    print(f"bound: {false_alarm_bound():.1e} of pictures")
    print(f"milliseconds to find nothing: median {np.median(times):.0f} (one core)")


def tampering(count: int) -> None:
    """Sign a picture in every format, change one byte of its pixels, and see whether that is told."""
    rng = np.random.default_rng(0)
    picture = draw(0, UNMARKED_PX, 7)
    files = {
        "png": saved(picture, "PNG"),
        "jpg": saved(picture, "JPEG"),
        "webp": saved(picture, "WEBP"),
        "gif": animated([picture, picture.rotate(5)], "gif"),
        "mp4": animated([picture, picture.rotate(5)], "mp4"),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_test_certificate(folder, "measured")
        signer = open_signer(folder / "certificate.pem", folder / "key.pem")
        for suffix, plain in files.items():
            path = folder / f"picture.{suffix}"
            claim = Claim(path.name, "humanEdits", "measured", parent_of(None, picture, None))
            start = time.process_time()
            data = signed(plain, claim, signer)
            took = 1000 * (time.process_time() - start)
            path.write_bytes(data)
            whole = read_credentials(path)
            states = [state_of_changed(path, data, plain, rng) for _ in range(count)]
            print(
                f"{suffix:<5} signed in {took:.0f} ms, {len(data) - len(plain):,} bytes more: "
                f"{whole.state if whole else None}; of {count} with a changed byte of the picture "
                f"{states.count('broken')} are told as broken"
            )


def state_of_changed(path: Path, data: bytes, plain: bytes, rng: np.random.Generator) -> str | None:
    """After a change of one byte in the second half of what was there before the signature."""
    place = int(rng.integers(len(plain) // 2, len(plain) - 24))
    piece = plain[place : place + 16]
    where = data.index(piece)
    changed = bytearray(data)
    changed[where] ^= 1 << int(rng.integers(8))
    path.write_bytes(changed)
    seen = read_credentials(path)
    return None if seen is None else seen.state


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("found", "alarms", "tampering"))
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--drawn", type=whole(0), default=60)
    parser.add_argument("--count", type=whole())
    parser.add_argument("--workers", type=whole(0), default=0)
    options = parser.parse_args()
    match options.what:
        case "found":
            found(options.pictures, options.drawn, options.workers)
        case "alarms":
            alarms(options.pictures, 1000 if options.count is None else options.count, options.workers)
        case _:
            tampering(40 if options.count is None else options.count)


if __name__ == "__main__":
    main()
