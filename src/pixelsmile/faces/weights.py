"""The weight files of others that detectors and encoders use: what they are, where they lie, what they allow.

None of them ships with pixelsmile. Sizes and checksums are those that the hub states for the files (git-lfs).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixelsmile.errors import InputError, ModelError, OutputError
from pixelsmile.hashing import sha256_file
from pixelsmile.store.hub import Licence, Repository
from pixelsmile.store.publication import scratch_folder
from pixelsmile.store.weight_hashes import remembered_sha256, user_cache_folder

FOLDER_VARIABLE = "PIXELSMILE_MODELS"

State = Literal["absent", "ready", "damaged"]


@dataclass(frozen=True)
class WeightFile:
    """One file. repository, remote, revision: on the hub; also_called: other names that people have it by.

    beside: small files of the same commit that it is not complete without.
    """

    name: str
    file: str
    summary: str
    used_by: str
    repository: str
    remote: str
    revision: str
    size_bytes: int
    sha256: str
    licence: Licence
    also_called: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where a browser gets it."""
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.remote}"

    @property
    def path(self) -> Path:
        """Where it lies, or should: the first of its names that is there."""
        folder = models_folder()
        names = (self.file, *self.also_called)
        return next((folder / name for name in names if self._is_whole(folder / name)), folder / self.file)

    def _is_whole(self, path: Path) -> bool:
        return path.is_file() and all(path.with_name(name).is_file() for name in self.beside)

    @property
    def is_there(self) -> bool:
        return self._is_whole(self.path)

    def state(self) -> State:
        """`ready` if every byte is as published. Reads the whole file, unless its hash is remembered."""
        if not self.is_there:
            return "absent"
        whole = self.path.stat().st_size == self.size_bytes and remembered_sha256(self.path) == self.sha256
        return "ready" if whole else "damaged"

    def require(self) -> Path:
        """The path of the whole file. ModelError, saying what to do, where it is absent or damaged."""
        match self.state():
            case "absent":
                raise ModelError(f"{self.name} needs its weights: {self.how_to_get()}")
            case "damaged":
                raise ModelError(
                    f"{self.path} is not the published file (size or SHA-256 differ): {self.how_to_get()}"
                )
        return self.path

    def how_to_get(self) -> str:
        """The command, the licence, and where the file goes without a network; short enough for a message."""
        accept = "" if self.licence.commercial else " --accept-licence"
        beside = f" with its {', '.join(self.beside)}" if self.beside else ""
        return (
            f"pixelsmile models fetch {self.name}{accept} ({self.licence.name}: {self.licence.terms}), or "
            f"put it at {models_folder() / self.file}{beside}; address: pixelsmile models list {self.name}"
        )


def models_folder() -> Path:
    """$PIXELSMILE_MODELS, or pixelsmile/models in the user's cache folder of this platform."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen))
    if (folder := user_cache_folder()) is None:
        raise ModelError(f"no home folder is known to keep weights in: set {FOLDER_VARIABLE} to a folder")
    return folder / "pixelsmile" / "models"


_INSIGHTFACE = Licence(
    "InsightFace",
    False,
    "non-commercial research only",
    "https://github.com/deepinsight/insightface#license",
)
_ANTELOPE = ("DIAMONIK7777/antelopev2", "ba0c3e10f4548361eb9a63265d87ce1140ab5a05")

_FILES = (
    WeightFile(
        name="scrfd",
        file="scrfd_10g_bnkps.onnx",
        summary="SCRFD face detector of InsightFace's antelopev2 (buffalo_l's det_10g.onnx, byte for byte)",
        used_by="--detector scrfd",
        repository=_ANTELOPE[0],
        remote="scrfd_10g_bnkps.onnx",
        revision=_ANTELOPE[1],
        size_bytes=16_923_827,
        sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        licence=_INSIGHTFACE,
        also_called=("det_10g.onnx",),
    ),
    WeightFile(
        name="yunet",
        file="face_detection_yunet_2023mar.onnx",
        summary="YuNet face detector of the OpenCV Zoo",
        used_by="--detector yunet",
        repository="opencv/face_detection_yunet",
        remote="face_detection_yunet_2023mar.onnx",
        revision="3cc26e7f1014a5ee5d74a42acee58bafc9d0a310",
        size_bytes=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        licence=Licence(
            "MIT",
            True,
            "commercial use allowed",
            "https://github.com/opencv/opencv_zoo/blob/main/models/face_detection_yunet/LICENSE",
        ),
    ),
    WeightFile(
        name="arcface",
        file="glintr100.onnx",
        summary="ArcFace identity encoder of InsightFace's antelopev2 (ResNet-100, Glint360K)",
        used_by="identity",
        repository=_ANTELOPE[0],
        remote="glintr100.onnx",
        revision=_ANTELOPE[1],
        size_bytes=260_665_334,
        sha256="4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf",
        licence=_INSIGHTFACE,
    ),
    WeightFile(
        name="auraface",
        file="auraface_glintr100.onnx",  # on the hub it has the name of the file above
        summary="AuraFace v1 identity encoder (ResNet-100, trained on data that allow commercial use)",
        used_by="identity",
        repository="fal/AuraFace-v1",
        remote="glintr100.onnx",
        revision="af6d057c9b0ec4071d4c49c80e3539258798b609",
        size_bytes=260_694_151,
        sha256="a7933ea5330113b01c9b60351d8f4c33003f145d8470ac5f0e52ee2effe25c60",
        licence=Licence(
            "Apache-2.0",
            True,
            "commercial use allowed",
            "https://huggingface.co/fal/AuraFace-v1/blob/main/LICENSE.md",
        ),
    ),
    WeightFile(
        name="facenet",
        file="facenet/model.safetensors",
        summary="FaceNet identity encoder (InceptionResnetV1, VGGFace2) from facenet-pytorch, as safetensors",
        used_by="identity",
        repository="py-feat/facenet",
        remote="model.safetensors",
        revision="e2b51c6f01b706e9deceb4608b269d751219604d",
        size_bytes=111_831_500,
        sha256="060b24840d57519af854efb1c1d86f110842a1312220afbde4aebb0df1448c9d",
        licence=Licence(
            "MIT",
            False,
            "trained on VGGFace2, whose terms are for research only",
            "https://huggingface.co/py-feat/facenet",
        ),
        also_called=("facenet_vggface2.safetensors",),
    ),
    WeightFile(
        name="adaface",
        file="adaface/model.safetensors",
        summary="AdaFace identity encoder (IR-101, WebFace12M) as its author publishes it in CVLface",
        used_by="identity",
        repository="minchul/cvlface_adaface_ir101_webface12m",
        remote="model.safetensors",
        revision="54f602a0737bd1ee4a4e7e9fd089a485f397fefd",
        size_bytes=260_980_552,
        sha256="2ea535a43877bd3de8091903935c783ce335be66a9f8917fae9a7a18ae4bbf56",
        licence=Licence(
            "MIT",
            False,
            "trained on WebFace12M, whose terms its card passes on: non-commercial research only",
            "https://huggingface.co/minchul/cvlface_adaface_ir101_webface12m",
        ),
        beside=("config.json",),  # it says in which order the network takes the colours
    ),
)
WEIGHTS = {entry.name: entry for entry in _FILES}


def check_licence(weights: WeightFile | Repository, accepted: bool) -> None:
    """InputError where the weights restrict their use and nobody has said that this is understood."""
    if not weights.licence.commercial and not accepted:
        raise InputError(
            f"{weights.name} ({weights.licence.name}) restricts its use ({weights.licence.terms}): read "
            f"{weights.licence.url}, then add --accept-licence"
        )


def fetch_weights(weights: WeightFile) -> Path:
    """Download one file into the models folder, in place of a damaged one; the path where it lies now.

    ModelError where the hub cannot be reached or sends other bytes than were published, OutputError where the
    folder cannot be written. Nothing is left behind then, and a file that was there stays.
    """
    folder = models_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as scratch:  # the same disk: one step to move
            partial = _download(weights, weights.remote, scratch)
            _check(weights, partial)
            beside = [_download(weights, name, scratch) for name in weights.beside]
            (folder / weights.file).parent.mkdir(exist_ok=True)
            for path in beside:
                os.replace(path, (folder / weights.file).with_name(path.name))
            os.replace(partial, folder / weights.file)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(folder)!r} ({error.strerror}): set PIXELSMILE_MODELS to another folder"
        ) from error
    return folder / weights.file


def _download(weights: WeightFile, remote: str, scratch: Path) -> Path:
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.hf_hub_download(
                weights.repository, remote, revision=weights.revision, local_dir=scratch
            )
        )
    except Exception as error:  # the hub client raises errors of several libraries
        raise ModelError(
            f"cannot fetch {weights.name} ({type(error).__name__}): try again with a network, or put it at "
            f"{models_folder() / weights.file}; its address: pixelsmile models list {weights.name}"
        ) from error


def _check(weights: WeightFile, partial: Path) -> None:
    size, digest = partial.stat().st_size, sha256_file(partial)
    if (size, digest) != (weights.size_bytes, weights.sha256):
        raise ModelError(
            f"what came for {weights.name} is not what was published: {size:,} bytes, SHA-256 {digest}, not "
            f"{weights.size_bytes:,}, {weights.sha256}; nothing was kept"
        )
