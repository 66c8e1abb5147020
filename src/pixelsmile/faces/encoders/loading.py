"""Loading an identity encoder from a path: ONNX, safetensors, or a folder."""

from os import PathLike
from pathlib import Path

import numpy as np

from pixelsmile.errors import ModelError, PixelSmileError
from pixelsmile.faces.encoders.encoder import KINDS, IdentityEncoder, Preprocessing, preprocessing_of
from pixelsmile.faces.encoders.onnx_encoder import EncoderFile, OnnxRuntimeEncoder, read_onnx

_TOLERANCE = 1e-4  # of numbers of unit-length embeddings: float32 in another order


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
    states these itself needs none. differentiable: run the IResNet of an ONNX file in torch, with gradients;
    otherwise any such file runs in ONNX Runtime. Safetensors always run in torch. device: None takes a GPU
    where there is one. num_threads: of ONNX Runtime on the CPU.

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
    if kind is None:
        raise ModelError(f"{file} does not say which encoder it is: give its kind ({', '.join(KINDS)})")
    onnx_file = read_onnx(file, preprocessing_of(kind).size_px)
    preprocessing = preprocessing_of(kind, onnx_file.normalises_itself)
    if differentiable:
        return _differentiable(onnx_file, kind, preprocessing, device)
    return OnnxRuntimeEncoder(kind, preprocessing, onnx_file, device, num_threads)


def _differentiable(
    file: EncoderFile, kind: str, preprocessing: Preprocessing, device: str | None
) -> IdentityEncoder:
    """The IResNet of a file in torch, once it gives what ONNX Runtime makes of the file."""
    from pixelsmile.faces.encoders.architectures import recognise
    from pixelsmile.faces.encoders.onnx_iresnet import iresnet_weights
    from pixelsmile.faces.encoders.torch_encoder import TorchEncoder, filled

    if (found := recognise(iresnet_weights(file))) is None:
        raise ModelError(f"{file.path} lacks layers of an IResNet: fetch or export it again")
    network = filled(file.path, found[0], preprocessing.size_px, found[1])
    noise = np.random.default_rng(0).random((1, 3, *(preprocessing.size_px,) * 2), np.float32)
    wanted = OnnxRuntimeEncoder(kind, preprocessing, file, "cpu").embed(noise)
    difference = np.abs(TorchEncoder(kind, preprocessing, network, "cpu").embed(noise) - wanted).max()
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"{file.path} computes something else than an IResNet with its weights (embeddings differ by "
            f"{difference:.1g}): measure with it, and train with another"
        )
    return TorchEncoder(kind, preprocessing, network, device)


def _from_safetensors(path: Path, kind: str | None, device: str | None) -> IdentityEncoder:
    from pixelsmile.faces.encoders.torch_encoder import load_safetensors

    return load_safetensors(path, kind, device)


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
