"""What an adapter adds to the layers of a model: its tensors, read, scaled by alpha and found finite.

Every kind becomes one of two: two factors of low rank, or a Kronecker product, which stays one because as
two factors it would be as large as the layer. The scale is folded in: what is here always has scale 1.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pixelsmile.editing.adapters.files import AdapterFile
from pixelsmile.editing.adapters.formats import Layer, resolve
from pixelsmile.errors import AdapterError


@dataclass(frozen=True, eq=False)
class LowRank:
    """W + B @ A, and `bias` on what comes out; rows of that norm where there are magnitudes (DoRA).

    A: (rank, in). B: (out, rank). bias, magnitude: (out,).
    """

    A: Tensor
    B: Tensor
    bias: Tensor | None = None
    magnitude: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the layer that it is for."""
        return self.B.shape[0], self.A.shape[1]

    @property
    def is_plain(self) -> bool:
        """Whether it is a LoRA and no more: no bias, no magnitudes."""
        return self.bias is None and self.magnitude is None


@dataclass(frozen=True, eq=False)
class Kronecker:
    """W + left ⊗ right (LoKr)."""

    left: Tensor
    right: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the layer that it is for."""
        (out_left, in_left), (out_right, in_right) = self.left.shape, self.right.shape
        return out_left * out_right, in_left * in_right


Update = LowRank | Kronecker
Shape = tuple[int, int]


def read_updates(
    file: AdapterFile, modules: Mapping[str, Shape | None], dtype: torch.dtype = torch.float32
) -> dict[str, Update]:
    """The update of each module that the file changes, in `dtype` on the CPU.

    modules: those that the model has, with (out, in) of their weights where that is known. AdapterError,
    before anything is read, where the file changes others, and where a number is not finite, in the file or
    in `dtype`.
    """
    name = repr(file.path.name)
    module_of = resolve(name, list(file.contents.layers), list(modules))
    layers = {module_of[layer]: found for layer, found in file.contents.layers.items()}
    _check_shapes(name, layers, modules)
    updates: dict[str, Update] = {}
    with _opened(file) as stream:
        scalings = _scalings(file, layers, stream)
        for module, layer in layers.items():
            tensors = _finite_tensors(name, module, layer, stream)
            whole = _update(name, module, layer, tensors, scalings[module])
            cast = {role: tensor.to(dtype) for role, tensor in tensors_of(whole).items()}
            if not _are_finite(cast.values()):
                raise AdapterError(
                    f"adapter {name} is too strong for {str(dtype).removeprefix('torch.')} ({module}, after "
                    "its alpha): use a wider number format, or correct its alpha"
                )
            updates[module] = replace(whole, **cast)
    return updates


def tensors_of(update: Update) -> dict[str, Tensor]:
    """Those that an update has, by their names in it."""
    return {name: tensor for name, tensor in vars(update).items() if tensor is not None}


def _check_shapes(name: str, layers: Mapping[str, Layer], modules: Mapping[str, Shape | None]) -> None:
    misfits = [
        f"{module} {layer.shape} (the model needs {modules[module]})"
        for module, layer in layers.items()
        if modules[module] not in (None, layer.shape)
    ]
    if misfits:
        raise AdapterError(
            f"adapter {name} is for another model: {len(misfits)} of its {len(layers)} layers do not fit, "
            f"the first is {misfits[0]}; use the model that it was trained on"
        )


@dataclass(frozen=True)
class Numbers:
    """What the numbers of a file are like. scalings: of each layer's update. largest: regardless of its sign,
    before that scale; layer: which has it.
    """

    scalings: Mapping[str, float]
    largest: float
    layer: str


def check_numbers(file: AdapterFile) -> Numbers:
    """All numbers of the file, looked at; AdapterError where one is not finite."""
    largest: dict[str, float] = {}
    with _opened(file) as stream:
        scalings = _scalings(file, file.contents.layers, stream)
        for name, layer in file.contents.layers.items():
            tensors = _finite_tensors(repr(file.path.name), name, layer, stream).values()
            largest[name] = max((float(x.abs().max()) for x in tensors if x.numel()), default=0.0)
    layer_of_largest = max(largest, key=lambda name: largest[name])
    return Numbers(scalings, largest[layer_of_largest], layer_of_largest)


@contextmanager
def _opened(file: AdapterFile) -> Iterator[Any]:
    try:
        with safe_open(file.path, framework="pt") as stream:
            yield stream
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"cannot read adapter {file.path.name!r} ({error}): fetch or save it again"
        ) from error


def _scalings(file: AdapterFile, layers: Mapping[str, Layer], stream: Any) -> dict[str, float]:
    alphas = {
        name: float(stream.get_tensor(layer.tensors["alpha"]))
        for name, layer in layers.items()
        if "alpha" in layer.tensors
    }
    return file.alphas.scalings(repr(file.path.name), layers, alphas)


def _finite_tensors(name: str, module: str, layer: Layer, stream: Any) -> dict[str, Tensor]:
    """The tensors of a layer by their roles, in float32 (which holds fp8, fp16 and bf16 exactly)."""
    tensors = {
        role: stream.get_tensor(tensor).to(torch.float32)
        for role, tensor in layer.tensors.items()
        if role != "alpha"
    }
    if not _are_finite(tensors.values()):
        raise AdapterError(
            f"adapter {name} holds numbers that are not finite (NaN or infinite, first in {module}): its "
            "training diverged, or it overflowed when it was saved in fp16; take an earlier state, or bf16"
        )
    return tensors


def _are_finite(tensors: Iterable[Tensor]) -> bool:
    return all(tensor.isfinite().all() for tensor in tensors)


def _update(name: str, module: str, layer: Layer, tensors: Mapping[str, Tensor], scaling: float) -> Update:
    match layer.kind:
        case "LoRA":
            A, B = tensors["A"], tensors["B"]
        case "LoHa":
            B, A = _loha_factors(*(tensors[f"hada_w{end}"] for end in ("1_a", "1_b", "2_a", "2_b")))
        case "LoKr":
            left, right = (_factor(tensors, f"lokr_w{number}") for number in (1, 2))
            return Kronecker(left * scaling, right)
    bias = tensors.get("bias")
    return LowRank(
        A=A,
        B=B * scaling,
        bias=None if bias is None else bias * scaling,
        magnitude=_magnitude(name, module, tensors.get("magnitude"), B.shape[0]),
    )


def _loha_factors(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Two factors whose product is (a b) * (c d), element by element: of the rank of the ranks' product.

    Where that is more than the layer has rows or columns, the whole product and a unit matrix are smaller.
    """
    num_rows, num_columns = a.shape[0], b.shape[1]
    if a.shape[1] ** 2 <= min(num_rows, num_columns):
        return _row_products(a, c), _row_products(b.T, d.T).T
    whole = (a @ b) * (c @ d)
    return (torch.eye(num_rows), whole) if num_rows < num_columns else (whole, torch.eye(num_columns))


def _row_products(first: Tensor, second: Tensor) -> Tensor:
    """All products of a number of the one and a number of the other, row by row (Khatri-Rao)."""
    return (first[:, :, None] * second[:, None, :]).flatten(1)


def _factor(tensors: Mapping[str, Tensor], role: str) -> Tensor:
    return tensors[role] if role in tensors else tensors[f"{role}_a"] @ tensors[f"{role}_b"]


def _magnitude(name: str, module: str, magnitude: Tensor | None, num_rows: int) -> Tensor | None:
    """One norm for each row; LyCORIS writes (out, 1), its older versions one for each column, (1, in)."""
    if magnitude is None or magnitude.shape in ((num_rows,), (num_rows, 1)):
        return None if magnitude is None else magnitude.flatten()
    raise AdapterError(
        f"adapter {name} has DoRA magnitudes of shape {tuple(magnitude.shape)} for {module}, where one a "
        f"row, ({num_rows},), is read: take it as plain LoRA"
    )
