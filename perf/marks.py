"""The imperceptible mark and the signature: found after what happens to pictures, and where there is none.

    python perf/marks.py found PICTURES... [--drawn 60]      after JPEG, scaling, cropping; PSNR; milliseconds
    python perf/marks.py alarms PICTURES... [--count 1000]   the highest scores of pictures without the mark
    python perf/marks.py tampering [--count 40]              changed bytes of signed files (extra: sign)

PICTURES: photographs, files and folders; drawn portraits come beside them, human and anime. `alarms` draws as
many as are missing, at 256 px, and cuts the photographs in two sizes.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.errors import ImageError
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
Pictures = Iterator[tuple[str, Image.Image]]  # each with the kind that it is counted under


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return load_image(saved(image, "JPEG", quality=quality))


def half(image: Image.Image) -> Image.Image:
    return image.resize((max(32, image.width // 2), max(32, image.height // 2)), Image.Resampling.LANCZOS)


def crop(image: Image.Image) -> Image.Image:
    """.8 of each side, away from the middle."""
    left, top = round(0.13 * image.width), round(0.05 * image.height)
    return image.crop((left, top, left + round(0.8 * image.width), top + round(0.8 * image.height)))


WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "PNG": lambda image: load_image(saved(image, "PNG")),
    "JPEG 90": lambda image: jpeg(image, 90),
    "JPEG 75": lambda image: jpeg(image, 75),
    "WebP 80": lambda image: load_image(saved(image, "WEBP", quality=80)),
    "half": half,
    "half, JPEG 75": lambda image: jpeg(half(image), 75),
    "crop .8": crop,
    "crop .8, JPEG 75": lambda image: jpeg(crop(image), 75),
    "half, crop .8, JPEG 75": lambda image: jpeg(crop(half(image)), 75),
}


def photographs(paths: list[Path]) -> Pictures:
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.suffix.lower() in SUFFIXES:
                try:
                    image = load_image(file)
                except ImageError:
                    continue
                if min(image.size) >= LEAST_PX:
                    yield ("photo" if min(image.size) >= SMALL_PX else f"under {SMALL_PX} px"), image


def drawn(count: int, size: int, first_seed: int) -> Pictures:
    for index in range(count):
        domain = DOMAINS[index % 2]
        units = blend_units({EXPRESSIONS[index // 2 % len(EXPRESSIONS)]: 0.5 + index % 3 / 2})
        yield domain, draw_portrait(sample_identity(first_seed + index), units, domain, size).image


def found(paths: list[Path], num_drawn: int) -> None:
    """A table of rates, and what the mark costs."""
    rates: dict[str, list[list[bool]]] = {}
    noise: dict[str, list[float]] = {}
    times: list[float] = []
    for pictures in (photographs(paths), drawn(num_drawn, DRAWN_PX, 0)):
        for kind, image in pictures:
            start = time.process_time()
            carrier = marked(image)
            times.append(1000 * (time.process_time() - start))
            change = np.asarray(carrier, float) - np.asarray(image, float)
            noise.setdefault(kind, []).append(10 * np.log10(255**2 / np.mean(change**2)))
            rates.setdefault(kind, []).append([find_mark(way(carrier)).is_found for way in WAYS.values()])
    everything = [row for rows in rates.values() for row in rows]
    print(f"{'found, of':<26}" + "".join(f"{kind:>14}" for kind in [*rates, "all"]))
    print(f"{'':<26}" + "".join(f"{len(rows):>14}" for rows in [*rates.values(), everything]))
    for place, way in enumerate(WAYS):
        cells = [sum(row[place] for row in rows) / len(rows) for rows in [*rates.values(), everything]]
        print(f"{way:<26}" + "".join(f"{cell:>14.3f}" for cell in cells))
    for name, of in (("PSNR dB, median", np.median), ("PSNR dB, least", np.min)):
        print(f"{name:<26}" + "".join(f"{of(values):>14.1f}" for values in noise.values()))
    print(f"milliseconds to mark: median {np.median(times):.0f}, most {max(times):.0f} (one core)")


def alarms(paths: list[Path], count: int) -> None:
    """The scores where there is no mark; of an alarm, the kind."""
    scores: list[float] = []
    times: list[float] = []
    for kind, image in unmarked(paths, count):
        start = time.process_time()
        mark = find_mark(image)
        times.append(1000 * (time.process_time() - start))
        scores.append(mark.score)
        if mark.is_found:
            print(f"false alarm: {kind}, score {mark.score:.1f}")
    above = sum(score >= THRESHOLD for score in scores)
    print(f"{above} false alarms in {len(scores)} pictures without the mark (threshold {THRESHOLD:g})")
    print(f"score: median {np.median(scores):.2f}, highest {max(scores):.2f}")
    print(f"bound: {false_alarm_bound():.1e} of pictures")
    print(f"milliseconds to find nothing: median {np.median(times):.0f} (one core)")


def unmarked(paths: list[Path], count: int) -> Pictures:
    """The photographs, their crops and their JPEGs at half the size; drawn portraits for the rest."""
    left = count
    for kind, image in photographs(paths):
        for one in (image, crop(image), jpeg(half(image), 75))[:left]:
            left -= 1
            yield kind, one
    yield from drawn(left, UNMARKED_PX, 100_000)


def tampering(count: int) -> None:
    """Sign a picture in every format, change one byte of its pixels, and see whether that is told."""
    rng = np.random.default_rng(0)
    _, picture = next(drawn(1, UNMARKED_PX, 7))
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
    parser.add_argument("--drawn", type=int, default=60)
    parser.add_argument("--count", type=int)
    options = parser.parse_args()
    match options.what:
        case "found":
            found(options.pictures, options.drawn)
        case "alarms":
            alarms(options.pictures, 1000 if options.count is None else options.count)
        case _:
            tampering(40 if options.count is None else options.count)


if __name__ == "__main__":
    main()
