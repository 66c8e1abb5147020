"""An ONNX file that claims to be an identity encoder: read, and held to that claim.

The file is parsed and never executed here. Weights in other files beside it are refused: the paths of those
are the file's own choice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pixelsmile.errors import ModelError
from pixelsmile.store.weight_hashes import remembered_sha256

INSTALL = 'pip install -c constraints.txt -e ".[faces]"'

_GIT_LFS = b"version https://git-lfs"
_NUM_NODES_LOOKED_AT = 8  # by insightface
_WANTED = "an identity encoder takes (batch, 3, {size}, {size}) in float32 and returns (batch, numbers)"


@dataclass(frozen=True)
class OnnxFile:
    """A parsed encoder.

    model: the onnx.ModelProto; None where it was let go. size_px: side of its input, None where it takes any.
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
    sha256: str = ""  # of the file


def import_onnx() -> ModuleType:
    """The onnx package, or a ModelError that says how to install it."""
    try:
        import onnx
    except ImportError:
        raise ModelError(f"ONNX files need the package onnx: {INSTALL}") from None
    return onnx


def read_onnx(path: Path, size_px: int) -> OnnxFile:
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
    return OnnxFile(
        path=path,
        model=model,
        input_name=inputs[0].name,
        output_name=_embedding(path, graph.output, batch, size_px),
        size_px=size,
        fixed_batch=batch == 1,
        normalises_itself=normalises_itself(graph.node),
        sha256=remembered_sha256(path),
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
    onnx = import_onnx()
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
