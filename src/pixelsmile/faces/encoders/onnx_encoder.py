"""Identity encoders in ONNX files, run by ONNX Runtime: for measuring, without gradients.

A file is parsed first and held to its claim, without running any of it. Weights in other files beside it are
refused: the paths of those are the file's own choice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from pixelsmile.embedded import photo_path
from pixelsmile.errors import DeviceError, ModelError, install
from pixelsmile.faces.alignment import Alignment
from pixelsmile.faces.encoders.encoder import PREPROCESSING, ArrayT, Preprocessing, require_embeddings
from pixelsmile.faces.onnx import open_session, run_session

NAME: Literal["dlib"] = "dlib"  # the encoder that ships for photographs: see embedded/photo/NOTICE
# On faces of one person its cosines lie above this (dlib's own limit, a distance of .6, at its usual length
# of 1.4), of two people mostly below: other numbers than those of the paper's encoders, never averaged with
# them.
SAME_PERSON = 0.91
_GIT_LFS = b"version https://git-lfs"
_NUM_NODES_LOOKED_AT = 8  # by insightface
_WANTED = "an identity encoder takes (batch, 3, {size}, {size}) in float32 and returns (batch, numbers)"


@dataclass(frozen=True)
class EncoderFile:
    """A parsed encoder.

    model: the onnx.ModelProto; None where it was let go. size_px: side of its input, None for any.
    fixed_batch: whether it takes one crop at a time. normalises_itself: insightface's rule for graphs that
    came from MXNet.
    """

    path: Path
    model: Any
    input_name: str
    output_name: str
    size_px: int | None
    fixed_batch: bool
    normalises_itself: bool


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
        file: EncoderFile,
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


@cache
def photo_encoder() -> OnnxRuntimeEncoder:
    """The encoder, loaded once, on the CPU. ModelError where the installation lacks it."""
    path = photo_path() / "identity.onnx"
    size_px = PREPROCESSING[NAME].size_px
    file = EncoderFile(path, None, "image", "embedding", size_px, True, False)
    return OnnxRuntimeEncoder(NAME, PREPROCESSING[NAME], file, "cpu", num_threads=1)


def read_onnx(path: Path, size_px: int) -> EncoderFile:
    """Read an encoder for crops of `size_px`.

    ModelError, in one line, for what is not whole or not ONNX, keeps its weights elsewhere, or has another
    interface: no picture as input, another size, not one row of numbers a picture as output.
    """
    model = _parse(path)
    graph = model.graph
    if _uses_other_files(model):
        raise ModelError(f"{path} keeps its weights in other files: save the model as one ONNX file")
    initial = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initial]
    if len(inputs) != 1:
        raise _not_an_encoder(path, f"it has {len(inputs)} inputs", size_px)
    batch, size = _check_input(path, inputs[0], size_px)
    return EncoderFile(
        path=path,
        model=model,
        input_name=inputs[0].name,
        output_name=_embedding(path, graph.output, batch, size_px),
        size_px=size,
        fixed_batch=batch == 1,
        normalises_itself=normalises_itself(graph.node),
    )


def normalises_itself(nodes: Any) -> bool:
    """Whether the graph subtracts and scales by itself: insightface's rule, on the names of its first nodes.

    Source: `ArcFaceONNX.__init__` in insightface, python-package/insightface/model_zoo/arcface_onnx.py.
    """
    names = [node.name for node in nodes[:_NUM_NODES_LOOKED_AT]]
    subtracts = any(name.startswith(("Sub", "_minus")) for name in names)
    scales = any(name.startswith(("Mul", "_mul")) for name in names)
    return subtracts and scales


def _parse(path: Path) -> Any:
    onnx = _import("onnx")
    try:
        with path.open("rb") as file:
            head = file.read(len(_GIT_LFS))
        if head == _GIT_LFS:
            raise ModelError(f"{path} is a Git LFS pointer, not the weights: fetch the file itself")
        model = onnx.load(str(path), format="protobuf", load_external_data=False)
    except OSError as error:
        raise ModelError(f"cannot read {path} ({error.strerror}): check the path") from error
    except ModelError:
        raise
    except Exception as error:  # protobuf has its own kinds, one for each of its backends
        raise ModelError(f"{path} is cut short, or no ONNX file: fetch it again") from error
    if not model.graph.node or not model.graph.output:
        raise ModelError(f"{path} is cut short, or no ONNX file (it holds no graph): fetch it again")
    return model


def _uses_other_files(model: Any) -> bool:
    from onnx import TensorProto

    return any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model.graph))


def _tensors(graph: Any) -> Iterator[Any]:
    """Every constant of a graph: its initializers, and those in the attributes of its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(inner)


def _dims(value: Any) -> list[int | None] | None:
    """The declared shape, with None for a free dimension; None where there is no shape at all."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]


def _check_input(path: Path, value: Any, size_px: int) -> tuple[int | None, int | None]:
    """Its batch and its size in pixels, each None where it is free."""
    from onnx import TensorProto

    dims = _dims(value)
    if dims is None or len(dims) != 4 or dims[1] not in (3, None) or dims[2] != dims[3]:
        raise _not_an_encoder(path, f"its input {value.name!r} is {_shape(dims)}", size_px)
    if dims[2] not in (size_px, None):
        raise _not_an_encoder(path, f"its input {value.name!r} is {_shape(dims)}", size_px)
    if dims[0] not in (1, None):
        raise ModelError(f"{path} takes exactly {dims[0]} crops at once: export it with a free batch")
    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        numbers = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
        raise _not_an_encoder(path, f"its input {value.name!r} is of type {numbers}", size_px)
    return dims[0], dims[2]


def _embedding(path: Path, outputs: Any, batch: int | None, size_px: int) -> str:
    """The name of the output that holds the embedding; AdaFace's own export has the norm beside it."""
    if len(outputs) > 2:
        raise _not_an_encoder(path, f"it has {len(outputs)} outputs, as a face detector has", size_px)
    shapes = {value.name: _dims(value) for value in outputs}
    fitting = [name for name, dims in shapes.items() if dims is None or _is_embedding(dims, batch)]
    if len(fitting) != 1:
        seen = ", ".join(f"{name!r} {_shape(dims)}" for name, dims in shapes.items())
        raise _not_an_encoder(path, f"its outputs are {seen}", size_px)
    return fitting[0]


def _is_embedding(dims: list[int | None], batch: int | None) -> bool:
    return len(dims) == 2 and dims[0] in (None, 1, batch) and dims[1] != 1


def _shape(dims: list[int | None] | None) -> str:
    if dims is None:
        return "of no stated shape"
    return "(" + ", ".join("?" if dim is None else str(dim) for dim in dims) + ")"


def _not_an_encoder(path: Path, seen: str, size_px: int) -> ModelError:
    return ModelError(
        f"{path} is not the identity encoder it should be: {seen}; {_WANTED.format(size=size_px)}"
    )


def _session(file: EncoderFile, device: str | None, num_threads: int | None) -> Any:
    runtime = _import("onnxruntime")
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


def _import(package: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError:
        raise ModelError(f"ONNX files need the package {package}: {install('faces')}") from None


def _refused(file: EncoderFile, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())
    return ModelError(f"{file.path} is refused by ONNX Runtime ({reason}): fetch or export it again")
