"""Linear layers whose weights lie in memory in 8 bits or fewer, and what loads a transformer into them.

A weight is turned back into 16 bits where it is used, so that the arithmetic, and an adapter on top of it,
are those of any other layer. Weights are kept as bytes: nothing then casts them by mistake, and PEFT gives
its own factors no such format.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers.models.transformers.transformer_qwenimage import QwenImageTransformer2DModel
from safetensors import safe_open
from torch import Tensor, nn

from pixelsmile.editing.devices import Placement
from pixelsmile.editing.weight_file import WeightFile
from pixelsmile.errors import ModelError, install

_FLOAT8 = torch.float8_e4m3fn
_LARGEST = torch.finfo(_FLOAT8).max
_NAMED = 3
_QUANTISED_PART = "transformer_blocks"


class StoredLinear(nn.Linear):
    """W x + b, where W lies in memory in fewer bits than it computes in, and is turned back at each use."""

    def whole_weight(self, dtype: torch.dtype) -> Tensor:
        """W in a format that computes."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out), in the format of x."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if torch.is_grad_enabled() and x.requires_grad:
            product: Tensor = _Product.apply(x, self)
            return product if bias is None else product + bias
        return nn.functional.linear(x, self.whole_weight(x.dtype), bias)


class _Product(torch.autograd.Function):
    """W x, which for its gradient turns W back once more: kept until then, all layers' would fill the memory
    that few bits save.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: StoredLinear) -> Tensor:
        """(..., in) to (..., out)."""
        ctx.layer = layer
        return nn.functional.linear(x, layer.whole_weight(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Of x; the weight is frozen."""
        return gradients[0] @ ctx.layer.whole_weight(gradients[0].dtype), None


class GgufLinear(StoredLinear):
    """Of the blocks of a GGUF file, each with scales of its own, in any of the file's formats."""

    @classmethod
    def over(cls, layer: nn.Linear, weight: Tensor) -> "GgufLinear":
        """In the place of `layer`, whose bias it takes. weight: diffusers' GGUFParameter."""
        with init_empty_weights():
            made = cls(layer.in_features, layer.out_features, bias=layer.bias is not None)
        made.weight, made.bias = weight, layer.bias
        return made.requires_grad_(False)

    def whole_weight(self, dtype: torch.dtype) -> Tensor:
        """W, by way of half precision, which the scales of its blocks are in."""
        from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

        whole: Tensor = dequantize_gguf_tensor(self.weight)
        return whole.to(dtype)


class ScaledLinear(StoredLinear):
    """Where W is a stored weight of 8 bits times a scale: one for all of it, or one for each row."""

    stored: torch.dtype
    scale: Tensor

    @classmethod
    def over(cls, layer: nn.Linear, weight: Tensor, scale: Tensor | None = None) -> "ScaledLinear":
        """In the place of `layer`, whose bias it takes. weight: (out, in), of an 8-bit format.

        scale: one number, or one a row; None: 1. ModelError for another shape.
        """
        with init_empty_weights():
            made = cls(layer.in_features, layer.out_features, bias=layer.bias is not None)
        values = torch.ones(1) if scale is None else scale.float().flatten()
        if len(values) not in (1, layer.out_features):
            raise ModelError(
                f"a layer of {layer.out_features} rows has {len(values)} scales: take another file"
            )
        made.stored = weight.dtype
        made.weight = nn.Parameter(weight.contiguous().view(torch.uint8), requires_grad=False)
        made.bias = layer.bias
        made.register_buffer("scale", values[:, None], persistent=False)
        return made

    @classmethod
    def quantised(cls, layer: nn.Linear, weight: Tensor) -> "ScaledLinear":
        """The layer with a weight of 16 or 32 bits in 8-bit floats, each row scaled to their range."""
        weight = weight.float()
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / _LARGEST
        return cls.over(layer, (weight / scale[:, None]).to(_FLOAT8), scale)

    def whole_weight(self, dtype: torch.dtype) -> Tensor:
        """W in a format that computes."""
        return self.weight.view(self.stored).to(dtype) * self.scale.to(self.weight.device, dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> "ScaledLinear":
        """Moves; the scales stay in float32 where a module is cast."""
        scale = self.scale
        super()._apply(fn, recurse)
        self.scale = scale.to(self.scale.device)
        return self


def quantise_linears(module: nn.Module, kept: tuple[str, ...] = ()) -> None:
    """Put the linear layers below `module` into 8-bit floats with scales; not those that end in `kept`."""
    for name, layer in list(module.named_modules()):
        if type(layer) is nn.Linear and not name.endswith(kept or ("\0",)):
            replace_layer(module, name, ScaledLinear.quantised(layer, layer.weight.data))


def replace_layer(module: nn.Module, name: str, layer: nn.Module) -> None:
    """Put `layer` in the place of the one of that name below `module`."""
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, layer)


def is_stored_small(transformer: nn.Module) -> bool:
    """Whether layers hold weights that need a scale: nothing can be merged into them, no row be measured."""
    return any(isinstance(layer, StoredLinear) for layer in transformer.modules())


def load_transformer(folder: Path, file: WeightFile, placement: Placement) -> QwenImageTransformer2DModel:
    """The transformer that a folder describes, with the weights of a file, on the CPU.

    ModelError where names or shapes are not the network's, and where `gguf` is not installed for such a file.
    """
    with init_empty_weights():
        config = QwenImageTransformer2DModel.load_config(str(folder), subfolder="transformer")
        transformer = QwenImageTransformer2DModel.from_config(config)
    _check(transformer, file, folder)
    tensors = _gguf_tensors(file, placement.dtype) if file.is_gguf else _safe_tensors(file)
    quantises = placement.quantization == "fp8" and not file.is_small
    for name, weight, scale in tensors:
        owner_name, _, leaf = name.rpartition(".")
        owner = transformer.get_submodule(owner_name)
        if leaf == "weight" and hasattr(weight, "quant_type"):
            assert isinstance(owner, nn.Linear)
            replace_layer(transformer, owner_name, GgufLinear.over(owner, weight))
        elif leaf == "weight" and weight.dtype.itemsize == 1 and isinstance(owner, nn.Linear):
            replace_layer(transformer, owner_name, ScaledLinear.over(owner, weight, scale))
        elif leaf == "weight" and quantises and _is_quantised(owner_name, owner):
            replace_layer(transformer, owner_name, ScaledLinear.quantised(owner, weight))
        else:
            whole = weight.to(placement.dtype) * (1 if scale is None else scale.to(placement.dtype))
            setattr(owner, leaf, nn.Parameter(whole, requires_grad=False))
    return transformer.eval()


def _is_quantised(name: str, layer: nn.Module) -> bool:
    return name.startswith(_QUANTISED_PART) and isinstance(layer, nn.Linear)


def _check(transformer: nn.Module, file: WeightFile, folder: Path) -> None:
    """Every tensor of the network is in the file in its shape, and none else."""
    wanted = {name: tuple(tensor.shape) for name, tensor in transformer.state_dict().items()}
    called = f"model {str(file.path)!r}"
    if lacking := sorted(wanted.keys() - file.tensors.keys()):
        raise ModelError(
            f"{called} lacks {len(lacking)} of the {len(wanted)} tensors of the transformer of {folder.name} "
            f"({', '.join(lacking[:_NAMED])}, ...): take a whole file of this model"
        )
    if others := sorted(file.tensors.keys() - wanted.keys()):
        raise ModelError(
            f"{called} holds {len(others)} tensors that the transformer of {folder.name} has not "
            f"({', '.join(others[:_NAMED])}, ...): take a file of this model"
        )
    for name, shape in wanted.items():
        if file.shapes[name] != shape:
            raise ModelError(
                f"{called} has {name} of shape {file.shapes[name]}, the transformer of {folder.name} has "
                f"{shape}: take a file of this model"
            )


def _safe_tensors(file: WeightFile) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    with safe_open(file.path, framework="pt") as stream:
        for name, written in file.tensors.items():
            scale = file.scales.get(name)
            yield name, stream.get_tensor(written), None if scale is None else stream.get_tensor(scale)


def _gguf_tensors(file: WeightFile, dtype: torch.dtype) -> Iterator[tuple[str, Tensor, None]]:
    """Weights of layers as they lie in the file, everything else as numbers."""
    try:
        from diffusers.quantizers.gguf.utils import GGUFParameter, dequantize_gguf_tensor
        from gguf import GGUFReader
    except ImportError as missing:
        raise ModelError(
            f"model {str(file.path)!r} is a GGUF file, which needs: {install('gguf')}"
        ) from missing
    found = {tensor.name: tensor for tensor in GGUFReader(file.path).tensors}
    for name, written in file.tensors.items():
        tensor = found[written]
        values = torch.from_numpy(tensor.data.copy())
        if tensor.tensor_type.name in ("F32", "F16"):
            yield name, values, None
            continue
        weight = GGUFParameter(values, quant_type=tensor.tensor_type)
        is_layer = (
            name.startswith(_QUANTISED_PART) and name.endswith(".weight") and len(file.shapes[name]) == 2
        )
        yield name, weight if is_layer else dequantize_gguf_tensor(weight).to(dtype), None
