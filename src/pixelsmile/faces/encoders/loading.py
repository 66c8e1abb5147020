"""Loading an identity encoder from a path: ONNX, safetensors, or a folder."""

from os import PathLike
from pathlib import Path

import numpy as np

from pixelsmile.errors import ModelError, PixelSmileError
from pixelsmile.faces.encoders.encoder import KINDS, IdentityEncoder, Preprocessing, preprocessing_of


def load_encoder(
    path: str | PathLike[str],
    kind: str | None = None,
    *,
    differentiable: bool = False,
    device: str | None = None,
    num_threads: int | None = None,
) -> IdentityEncoder:
    """The encoder in an ONNX file, a safetensors file, or a folder with config.json and model.safetensors.

    kind: arcface, adaface, facenet or auraface, which decides channel order, size and range; a folder that
    states these itself needs none. differentiable: run an ONNX file in torch, with gradients; otherwise it
    runs in ONNX Runtime. Safetensors always run in torch. device: None takes a GPU where there is one.
    num_threads: of ONNX Runtime on the CPU.

    The file is tried on one grey crop, so that one that is not what it says is found here: ModelError with
    what was wrong, also for pickles, which are never loaded. DeviceError where the device is not there.
    """
    file = Path(path)
    if file.suffix.lower() == ".onnx":
        encoder = _from_onnx(file, kind, differentiable, device, num_threads)
    else:
        encoder = _from_safetensors(file, kind, device)
    _try(encoder, file)
    return encoder


def _from_onnx(
    file: Path, kind: str | None, differentiable: bool, device: str | None, num_threads: int | None
) -> IdentityEncoder:
    from pixelsmile.faces.encoders.onnx_file import read_onnx

    if kind is None:
        raise ModelError(f"{file} does not say which encoder it is: give its kind ({', '.join(KINDS)})")
    onnx_file = read_onnx(file, preprocessing_of(kind).size_px)
    preprocessing: Preprocessing = preprocessing_of(kind, onnx_file.normalises_itself)
    if not differentiable:
        from pixelsmile.faces.encoders.onnx_runtime import OnnxRuntimeEncoder

        return OnnxRuntimeEncoder(kind, preprocessing, onnx_file, device, num_threads)
    from pixelsmile.faces.encoders.onnx_graph import OnnxGraph
    from pixelsmile.faces.encoders.torch_encoder import TorchEncoder

    return TorchEncoder(kind, preprocessing, OnnxGraph(onnx_file), device)


def _from_safetensors(path: Path, kind: str | None, device: str | None) -> IdentityEncoder:
    from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
    from pixelsmile.faces.encoders.weight_files import load_network

    found = load_network(path, kind)
    return TorchEncoder(found.name, found.preprocessing, found.network, device)


def _try(encoder: IdentityEncoder, file: Path) -> None:
    grey = np.full((1, 3, encoder.size_px, encoder.size_px), 0.5, dtype=np.float32)
    try:
        embedding = encoder.embed(grey)
    except PixelSmileError:
        raise
    except Exception as error:  # a graph of a stranger raises anything
        reason = " ".join(str(error).split())
        raise ModelError(f"{file} cannot be run ({reason}): fetch or export it again") from error
    if not np.isfinite(embedding).all():
        raise ModelError(f"{file} gives an embedding that is zero or not finite: fetch it again")
