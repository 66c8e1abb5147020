"""Where the limits of a data set's faces cut: pictures blurred, darkened and lightened by known amounts.

    python perf/face_limits.py [PHOTOGRAPHS]

Of drawn people of both domains and of a folder's photographs, each of another person: the share that the
default limits of `faces` keep at each amount, and quantiles of what is measured. A blur is the Gaussian's
sigma as a share of the face's width; light is a factor of all levels. Of photographs also the cosines of
identity: of two people (each picture is one), and of one person with half the pixels, and flipped; and what a
face that is made small keeps: who it is, and what the small judge says of it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from pixelsmile.dataset.config import FaceSettings, SamePerson
from pixelsmile.dataset.faces import measure_face
from pixelsmile.dataset.sources import SUFFIXES, DrawnBytes
from pixelsmile.expressions import DOMAINS
from pixelsmile.faces.face import Face
from pixelsmile.faces.likeness import LikenessMeter, open_meter
from pixelsmile.images import load_image
from pixelsmile.judges.judge import NoVerdict
from pixelsmile.judges.photo.judge import PhotoJudge

FIRST_SEED, NUM_PEOPLE, SIZE_PX = 30_000_000, 40, 256
BLURS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03)
SIZES = (96, 80, 64, 48, 32)
FACTORS = (0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0, 2.5)
QUANTILES = (0.05, 0.5, 0.95)

Known = list[tuple[Image.Image, Face]]


def drawn(domain: str) -> Iterator[Image.Image]:
    """Neutral faces of people that no network has seen."""
    for seed in range(FIRST_SEED, FIRST_SEED + NUM_PEOPLE):
        data = DrawnBytes(seed, "neutral", 0.0, 0, domain, SIZE_PX).read()  # type: ignore[arg-type]
        yield load_image(data)


def photographs(folder: Path) -> Iterator[Image.Image]:
    """Every picture of a folder."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            yield load_image(path.read_bytes())


def known(images: Iterator[Image.Image], meter: LikenessMeter) -> Known:
    """Pictures with their largest face; those without one go."""
    found = ((image, meter.detector.detect(image)) for image in images)
    return [(image, max(faces, key=lambda face: face.width * face.height)) for image, faces in found if faces]


def changed(image: Image.Image, face: Face, kind: str, amount: float) -> Image.Image:
    if kind == "blur":
        radius = amount * min(face.width, face.height)
        return image.filter(ImageFilter.GaussianBlur(radius)) if radius else image
    return image.point(lambda level: min(255, round(level * amount)))


def table(name: str, faces: Known) -> None:
    limits = FaceSettings()
    assert limits.min_sharpness is not None
    assert limits.min_light is not None
    assert limits.max_light is not None
    assert limits.max_clipped is not None
    print(f"\n{name}: {len(faces)} faces; kept of all by sharpness, by light, by clipping, in percent")
    for kind, amounts in (("blur", BLURS), ("light", FACTORS)):
        for amount in amounts:
            found = [measure_face(changed(*one, kind, amount), one[1]) for one in faces]
            sharp, light, clipped = (
                np.array([one[key] for one in found]) for key in ("sharpness", "light", "clipped")
            )
            kept = (
                sharp >= limits.min_sharpness,
                (light >= limits.min_light) & (light <= limits.max_light),
                clipped <= limits.max_clipped,
            )
            shares = " ".join(f"{100 * one.mean():4.0f}" for one in kept)
            numbers = "  ".join(
                " ".join(f"{value:7.2f}" for value in np.quantile(one, QUANTILES))
                for one in (sharp, light, clipped)
            )
            print(f"{kind:<6}{amount:<6} {shares}   {numbers}")


def embedded(meter: LikenessMeter, image: Image.Image, face: Face) -> np.ndarray:
    """Who it is, of length 1."""
    (parts,) = meter.embed(image, face).values()
    return np.asarray(parts[0] / np.linalg.norm(parts[0]))


def identities(faces: Known, meter: LikenessMeter) -> None:
    people = np.stack([embedded(meter, *one) for one in faces])
    others = (people @ people.T)[np.triu_indices(len(people), 1)]
    limit = SamePerson().human
    print(
        f"\ntwo people: {describe(others)}; {np.count_nonzero(others >= limit)} of {len(others)} at {limit}"
    )
    changes = {"half the pixels": halved, "flipped": ImageOps.mirror}
    for name, change in changes.items():
        pairs = []
        for (image, _), was in zip(faces, people, strict=True):
            now = known(iter([change(image)]), meter)
            pairs += [float(was @ embedded(meter, *one)) for one in now]
        linked = np.mean(np.array(pairs) >= limit)
        print(f"one person, {name}: {describe(np.array(pairs))}; {linked:.0%} are linked")


def sizes(faces: Known, meter: LikenessMeter) -> None:
    """Photographs whose faces are made so many pixels large, beside themselves as they are."""
    judge = PhotoJudge()
    for size_px in SIZES:
        cosines, changes, same = [], [], 0
        for image, face in faces:
            by = size_px / min(face.width, face.height)
            was = judge.look(image)
            if by >= 1 or isinstance(was, NoVerdict):
                continue
            small = image.resize(
                (round(image.width * by), round(image.height * by)), Image.Resampling.LANCZOS
            )
            now = judge.look(small)
            found = known(iter([small]), meter)
            if isinstance(now, NoVerdict) or not found:
                cosines.append(-1.0)
                continue
            cosines.append(float(np.dot(embedded(meter, image, face), embedded(meter, *found[0]))))
            changes.append(float(np.abs(was.scores - now.scores).max()))
            same += was.evidence.dominant == now.evidence.dominant
        print(
            f"face of {size_px} px: {len(cosines)} of them; cosine with itself {min(cosines):.3f} or more; "
            f"scores change by {max(changes):.2f} at most; {same} are called the same"
        )


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def describe(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0.05, 0.5, 1))
    return f"5th percentile {low:.3f}, median {middle:.3f}, most {high:.3f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", nargs="?", type=Path)
    options = parser.parse_args()
    for domain in DOMAINS:
        table(f"drawn, {domain}", known(drawn(domain), open_meter(("embedded",), "embedded", drawn=True)))
    if options.photographs is not None:
        meter = open_meter(("dlib",), "mesh", drawn=False)
        faces = known(photographs(options.photographs), meter)
        table("photographs", faces)
        identities(faces, meter)
        sizes(faces, meter)


if __name__ == "__main__":
    main()
