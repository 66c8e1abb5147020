"""An identity encoder on ONNX Runtime: for measuring, without gradients."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any, Literal

import numpy as np

from pixelsmile.embedded import photo_path
from pixelsmile.errors import DeviceError, ModelError
from pixelsmile.faces.alignment import Alignment
from pixelsmile.faces.encoders.encoder import PREPROCESSING, ArrayT, Preprocessing, require_embeddings
from pixelsmile.faces.encoders.onnx_file import INSTALL, OnnxFile
from pixelsmile.faces.onnx import open_session, run_session
from pixelsmile.store.weight_hashes import remembered_sha256


class OnnxRuntimeEncoder:
    """An `IdentityEncoder` around an ONNX file. A file that takes one crop at a time is run in a loop.

    device: `cpu`, `cuda`, `cuda:1`, ...; None takes CUDA where this ONNX Runtime has it. num_threads: on the
    CPU; None is ONNX Runtime's own choice, all cores.
    """

    differentiable = False

    def __init__(
        self,
        name: str,
        preprocessing: Preprocessing,
        file: OnnxFile,
        device: str | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.name = name
        self.preprocessing = preprocessing
        self._session = _session(file, device, num_threads)
        self._file = replace(file, model=None)  # as large as the weights, and read by now

    @property
    def size_px(self) -> int:
        """Side of the crops that it takes."""
        return self.preprocessing.size_px

    @property
    def alignment(self) -> Alignment:
        """How a face is cut out of its picture for it."""
        return self.preprocessing.alignment

    def embed(self, crops_BCHW: ArrayT) -> ArrayT:
        """See `IdentityEncoder`. ModelError where a gradient is asked for, or a result is not finite."""
        if isinstance(crops_BCHW, np.ndarray):
            return self._embed(crops_BCHW)
        if crops_BCHW.requires_grad:
            raise ModelError(
                f"{self.name} runs in ONNX Runtime, which has no gradients: load it with differentiable=True"
            )
        import torch

        return torch.from_numpy(self._embed(crops_BCHW.cpu().numpy())).to(crops_BCHW.device)

    def _embed(self, crops_BCHW: np.ndarray) -> Any:
        prepared = self.preprocessing.apply(crops_BCHW).astype(np.float32, copy=False)
        batches = np.split(prepared, len(prepared)) if self._file.fixed_batch else [prepared]
        embeddings = np.concatenate([self._run(batch) for batch in batches])
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise ModelError(f"{self._file.path} gave embeddings that are zero or not finite: fetch it again")
        return embeddings / lengths

    def _run(self, batch: np.ndarray) -> np.ndarray:
        try:
            found = run_session(
                self._session, self._file.path, [self._file.output_name], {self._file.input_name: batch}
            )[0]
        except ModelError:
            raise
        except Exception as error:  # its errors have no common class
            raise _refused(self._file, error) from error
        require_embeddings(str(self._file.path), found, len(batch))
        return found


def _session(file: OnnxFile, device: str | None, num_threads: int | None) -> Any:
    runtime = _import_runtime()
    providers = _providers(runtime.get_available_providers(), device)
    try:
        session = open_session(file.path, providers, num_threads)
    except Exception as error:  # its errors have no common class
        raise _refused(file, error) from error
    wanted = providers[0][0]
    if wanted not in session.get_providers():
        raise DeviceError(f"ONNX Runtime could not start {wanted} (CUDA and cuDNN must fit it): use cpu")
    return session


def _providers(available: Sequence[str], device: str | None) -> list[tuple[str, dict[str, Any]]]:
    cpu: tuple[str, dict[str, Any]] = ("CPUExecutionProvider", {})
    has_cuda = "CUDAExecutionProvider" in available
    if device == "cpu" or (device is None and not has_cuda):
        return [cpu]
    kind, _, index = (device or "cuda").partition(":")
    if kind != "cuda" or not (index or "0").isdecimal():
        raise DeviceError(f"ONNX Runtime has no device {device!r} here: use cpu, cuda, cuda:1, ...")
    if not has_cuda:
        raise DeviceError(
            f"this ONNX Runtime has no CUDA for {device!r}: pip install onnxruntime-gpu, or use cpu"
        )
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), cpu]


def _import_runtime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError(f"ONNX files need the package onnxruntime: {INSTALL}") from None
    return onnxruntime


def _refused(file: OnnxFile, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())
    return ModelError(f"{file.path} is refused by ONNX Runtime ({reason}): fetch or export it again")


# The identity encoder that ships for photographs: dlib's 128 numbers (see embedded/photo/NOTICE).
#
# On faces of the same person its cosines lie above .91 (dlib's own limit, a distance of .6, at its usual
# length of 1.4), of two people mostly below: other numbers than ArcFace's, AdaFace's and FaceNet's, never
# averaged with them.


NAME: Literal["dlib"] = "dlib"
SAME_PERSON = 0.91  # cosine


@cache
def photo_encoder() -> OnnxRuntimeEncoder:
    """The encoder, loaded once, on the CPU. ModelError where the installation lacks it."""
    path = photo_path() / "identity.onnx"
    size_px = PREPROCESSING[NAME].size_px
    file = OnnxFile(path, None, "image", "embedding", size_px, True, False, remembered_sha256(path))
    return OnnxRuntimeEncoder(NAME, PREPROCESSING[NAME], file, "cpu", num_threads=1)
