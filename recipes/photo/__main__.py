"""`python -m recipes.photo`: fetch, convert, hold against the originals, write `embedded/photo`."""

import argparse
import hashlib
import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from pixelsmile.errors import ModelError
from pixelsmile.store.publication import check_place
from recipes.command_line import refusing
from recipes.photo import canonical_mesh, equality, sources
from recipes.photo.sources import Source, member

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "src" / "pixelsmile" / "embedded" / "photo"
MAX_DIFFERENCE = 1e-3  # of the largest value of an output
MAX_BYTES = 13_000_000
PACKAGES, PROGRAMS = ("tflite", "ai_edge_litert", "onnx"), ("npm", "node")

_DETECTOR_SHORT = {"input": "image", "regressors": "boxes", "classificators": "logits"}
_DETECTOR_FULL = {
    "input": "image",
    "reshaped_regressor_face_4": "boxes",
    "reshaped_classifier_face_4": "logits",
}
_LANDMARKS = {"input_12": "image", "Identity": "landmarks", "Identity_1": "presence"}
_BLENDSHAPES = {"serving_default_input_points:0": "points", "StatefulPartitionedCall:0": "scores"}


@dataclass(frozen=True)
class ShippedFile:
    """A file that ships, and how far its outputs are from its original's (None: it computes nothing)."""

    name: str
    data: bytes
    source: Source
    difference: float | None


@refusing()
def main() -> None:
    """Make all of it, print a row a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--packages", type=Path, default=ROOT / "runs" / "photo", help="where archives are kept"
    )
    parser.add_argument("--into", type=Path, default=TARGET)
    options = parser.parse_args()
    require_tools()
    check_place(options.into, (), force=True)
    files = [*_mediapipe(options.packages), *_face_api(options.packages), _mesh(options.packages)]
    for item in files:
        distance = "" if item.difference is None else f"largest difference {item.difference:.1e} of the range"
        print(f"{item.name:<26} {len(item.data):>9,} bytes  {distance}")
    total = sum(len(item.data) for item in files)
    print(f"{total:,} bytes in all")
    if total > MAX_BYTES or any((item.difference or 0) > MAX_DIFFERENCE for item in files):
        raise SystemExit("too large, or not the originals: nothing is written")
    options.into.mkdir(parents=True, exist_ok=True)
    for item in files:
        (options.into / item.name).write_bytes(item.data)
    (options.into / "sources.json").write_text(json.dumps(_record(files), indent=2) + "\n")


def require_tools() -> None:
    """ModelError where a package or a program is missing that converts, or is held against."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    missing += [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ModelError(
            f"{', '.join(missing)} is not here: pip install tflite ai-edge-litert onnx, and have npm and node"
        )


def _mediapipe(packages: Path) -> list[ShippedFile]:
    from recipes.photo import tflite_graph

    random = np.random.default_rng(0)
    files = []
    for name, source, names, scale in (
        ("detector-short.onnx", sources.DETECTOR_SHORT, _DETECTOR_SHORT, 1.0),
        ("detector-full.onnx", sources.DETECTOR_FULL, _DETECTOR_FULL, 1.0),
        ("landmarks.onnx", sources.LANDMARKS, _LANDMARKS, 1.0),
        ("blendshapes.onnx", sources.BLENDSHAPES, _BLENDSHAPES, 256.0),
    ):
        original = source.read(packages)
        converted = tflite_graph.convert(original, names, _notes(source))
        shape = (1, 146, 2) if "points" in names.values() else _picture_shape(name)
        inputs = random.uniform(0, scale, shape).astype(np.float32)
        difference = equality.tflite_difference(original, converted, names, inputs)
        files.append(ShippedFile(name, converted, source, difference))
    return files


def _picture_shape(name: str) -> tuple[int, int, int, int]:
    side = {"detector-short.onnx": 128, "detector-full.onnx": 192, "landmarks.onnx": 256}[name]
    return 1, side, side, 3


def _face_api(packages: Path) -> list[ShippedFile]:
    from recipes.photo import face_api

    archive = sources.FACE_API.fetch(packages)
    files = []
    for name, kind, source, convert, side in (
        ("identity.onnx", "identity", sources.IDENTITY, face_api.identity, face_api.IDENTITY_PX),
        (
            "expressions.onnx",
            "expressions",
            sources.EXPRESSIONS,
            face_api.expressions,
            face_api.EXPRESSIONS_PX,
        ),
    ):
        weights = source.path[-1]
        manifest = weights.removesuffix(".bin") + "-weights_manifest.json"
        converted = convert(member(archive, manifest), source.read(packages), _notes(source))
        difference = equality.face_api_difference(kind, archive, weights, manifest, converted, side)
        files.append(ShippedFile(name, converted, source, difference))
    return files


def _mesh(packages: Path) -> ShippedFile:
    source = sources.CANONICAL_MESH
    return ShippedFile(
        "mesh.safetensors", save(canonical_mesh.read(source.read(packages)), _notes(source)), source, None
    )


def _notes(source: Source) -> dict[str, str]:
    return {"origin": source.origin, "licence": source.licence, "original_sha256": source.sha256}


def _record(files: list[ShippedFile]) -> dict[str, dict[str, object]]:
    return {
        item.name: {
            "sha256": hashlib.sha256(item.data).hexdigest(),
            "size_bytes": len(item.data),
            "origin": item.source.origin,
            "licence": item.source.licence,
            "trained_on": item.source.trained_on,
            "package": str(item.source.package),
            "original": item.source.path[-1],
            "original_sha256": item.source.sha256,
            "largest_difference": item.difference,
        }
        for item in files
    }


if __name__ == "__main__":
    main()
