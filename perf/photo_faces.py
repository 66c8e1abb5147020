"""Faces of photographs: who is found, how long each part takes, and whether a person is known again.

    python perf/photo_faces.py PICTURES... [--people FOLDER]

PICTURES: files and folders. A row for each: its size, the faces found, their score and pose. --people: a
folder with several pictures of each person, called PERSON-1.jpg, PERSON-2.jpg, ...; all others count as other
people, and so do PICTURES with one face. AUC of the cosine of the encoder that ships.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.encoders.onnx_encoder import SAME_PERSON, photo_encoder
from pixelsmile.faces.mesh import FaceMesh, load_mesh_networks
from pixelsmile.images import load_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
ROUNDS = 20


def pictures(paths: list[Path]) -> list[Path]:
    """The files, and those of the folders, by their names."""
    found = [path for path in paths if path.is_file()]
    for folder in (path for path in paths if path.is_dir()):
        found += sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return found


def embedding(image: Image.Image, mesh: FaceMesh) -> np.ndarray:
    """As `likeness` compares it."""
    encoder = photo_encoder()
    crop_HWC = encoder.alignment.crop(np.asarray(image), mesh.landmarks_5) / 255
    return encoder.embed(crop_HWC.transpose(2, 0, 1)[None])[0]


def milliseconds(call: Callable[[], object]) -> float:
    """The processor time of a call."""
    start = time.process_time()
    for _ in range(ROUNDS):
        call()
    return (time.process_time() - start) / ROUNDS * 1000


def areas(same: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Area under the curve, and true accepts at 1 % false ones."""
    auc = float((same[:, None] > other).mean() + (same[:, None] == other).mean() / 2)
    return auc, float((same > np.quantile(other, 0.99)).mean())


def main() -> None:
    """Print the rows, the times, the areas."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--people", type=Path)
    options = parser.parse_args()
    detector, others, last = MeshDetector.load(), [], None
    for path in pictures(options.pictures):
        image = load_image(path)
        start = time.process_time()
        found = detector.meshes(image)
        took = (time.process_time() - start) * 1000
        poses = [mesh.pose() for mesh, _ in found]
        said = ", ".join(
            f"{score:.2f} ({pose.yaw:.0f} {pose.pitch:.0f} {pose.roll:.0f} deg)"
            for (_, score), pose in zip(found, poses, strict=True)
        )
        print(
            f"{path.name:<28} {image.width:>5} x {image.height:<5} {len(found)} found {took:5.0f} ms  {said}"
        )
        if len(found) == 1:
            last = image, found[0][0]
            others.append(embedding(*last))
    if last is not None:
        times(*last)
    if options.people:
        people(detector, options.people, others)


def times(image: Image.Image, mesh: FaceMesh) -> None:
    """Of each part, on the last picture with one face."""
    networks, face = load_mesh_networks(), mesh.face(1.0, "mesh")
    parts = {
        "mesh of a known face": lambda: networks.fit(image, face),
        "blendshapes": lambda: networks.blendshapes(mesh),
        "identity": lambda: embedding(image, mesh),
    }
    for name, call in parts.items():
        print(f"{name:<22} {milliseconds(call):5.1f} ms")


def people(detector: MeshDetector, folder: Path, others: list[np.ndarray]) -> None:
    """The area under the curve of same against other people."""
    named = []
    for path in pictures([folder]):
        image = load_image(path)
        if found := detector.meshes(image):
            named.append((path.stem.rpartition("-")[0], embedding(image, found[0][0])))
    same: list[float] = []
    other: list[float] = []
    for index, (name, one) in enumerate(named):
        for second, two in named[:index]:
            (same if name == second else other).append(float(one @ two))
        other += [float(one @ stranger) for stranger in others]
    auc, accepts = areas(np.array(same), np.array(other))
    right = np.mean([cosine > SAME_PERSON for cosine in same] + [cosine <= SAME_PERSON for cosine in other])
    num_people = len({name for name, _ in named})
    print(f"{len(named)} pictures of {num_people} people, {len(others)} strangers: AUC {auc:.4f},")
    print(f"{accepts:.3f} true accepts at 1 % false; {right:.3f} right at {SAME_PERSON:g}")
    print(f"the same: {np.mean(same):.3f}, at least {min(same):.3f}; others: {np.mean(other):.3f}")


if __name__ == "__main__":
    main()
