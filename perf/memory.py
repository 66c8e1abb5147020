"""What an edit holds at its widest moment: the estimate of `editing/memory.py` against what torch allocates.

    python perf/memory.py [--dtype bfloat16]

Below it, what a forward keeps for its gradient where the frozen base is in fewer bits, as in training: no
whole weight; `diffusers' GGUF` has the library's own layers, which keep one each.

On the CPU, for models from tiny to middle size, with random weights. Counted is what torch allocates while
the parts run, by watching every operation: weights and inputs, which are there before, are left out. A GPU's
kernels allocate alike, but for what they use as scratch.
"""

import argparse
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import gguf
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pixelsmile.editing.autoencoder import decode_latents
from pixelsmile.editing.memory import TOKEN_PX, decoder_numbers, transformer_numbers
from pixelsmile.editing.small_weights import GgufLinear, ScaledLinear, replace_layer

# Width of the transformer, side in px, tokens of text, pictures at once.
TRANSFORMERS = ((256, 256, 100, 1), (256, 512, 220, 1), (512, 512, 400, 1), (512, 256, 400, 2))
KEPT = (512, 512, 400, 1)  # of which is told what a base keeps for the gradient
# Channels of the autoencoder at its highest resolution, side in px.
AUTOENCODERS = ((8, 64), (16, 128), (32, 256), (96, 128))
HEAD = 64


class Allocations(TorchDispatchMode):
    """Counts the bytes of the tensors that are made while it is on; those in `known` were there before."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.peak, self._live = 0, 0
        self._seen = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        made = operation(*arguments, **(options or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self._live += size
            self.peak = max(self.peak, self._live)
            weakref.finalize(storage, self._free, key, size)

    @property
    def live(self) -> int:
        """What is there now."""
        return self._live

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._live -= size


def peak_bytes(call: Callable[[], object], known: Iterable[Tensor]) -> int:
    """The most that the tensors made by a call took at one time, without gradient."""
    with torch.no_grad(), Allocations(known) as allocations:
        call()
    return allocations.peak


def transformer_and_call(
    width: int, size_px: int, text_tokens: int, batch: int, dtype: torch.dtype
) -> tuple[QwenImageTransformer2DModel, list[Tensor], Callable[[], object]]:
    """A transformer of that width, of two layers, its tokens and text, and a forward of it."""
    transformer = QwenImageTransformer2DModel(
        num_layers=2,
        attention_head_dim=HEAD,
        num_attention_heads=width // HEAD,
        joint_attention_dim=width,
        axes_dims_rope=(8, 28, 28),
        zero_cond_t=True,
    )
    for parameter in transformer.parameters():
        parameter.data = parameter.data.to(dtype)
    side = size_px // TOKEN_PX
    tokens = torch.zeros(batch, 2 * side**2, 64, dtype=dtype)
    text = torch.zeros(batch, text_tokens, width, dtype=dtype)
    shapes = [[(1, side, side)] * 2] * batch
    time = torch.full((batch,), 0.5, dtype=dtype)

    def forward() -> object:
        return transformer(
            tokens, encoder_hidden_states=text, timestep=time, img_shapes=shapes, return_dict=False
        )

    with torch.no_grad():
        forward()  # its tables of positions are made once
    return transformer, [tokens, text], forward


def transformer_peak(width: int, size_px: int, text_tokens: int, batch: int, dtype: torch.dtype) -> int:
    """Of one forward: more layers hold no more at a time."""
    transformer, inputs, forward = transformer_and_call(width, size_px, text_tokens, batch, dtype)
    return peak_bytes(forward, [*transformer.parameters(), *inputs])


def q8_weight(layer: nn.Linear) -> GGUFParameter:
    """Its weight as a GGUF file has it."""
    kind = gguf.GGMLQuantizationType.Q8_0
    rows = gguf.quants.quantize(layer.weight.detach().float().numpy(), kind)
    return GGUFParameter(torch.from_numpy(rows), quant_type=kind)


def diffusers_linear(layer: nn.Linear) -> nn.Module:
    """The library's layer of a GGUF file."""
    made = GGUFLinear(
        layer.in_features, layer.out_features, layer.bias is not None, compute_dtype=layer.weight.dtype
    )
    made.weight, made.bias = q8_weight(layer), layer.bias
    return made.requires_grad_(False)


# What stands in the place of a layer, by the base's format.
LAYERS: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "whole": lambda layer: layer,
    "fp8": lambda layer: ScaledLinear.quantised(layer, layer.weight.data),
    "GGUF": lambda layer: GgufLinear.over(layer, q8_weight(layer)),
    "diffusers' GGUF": diffusers_linear,
}


def kept_bytes(kind: str, width: int, size_px: int, text_tokens: int, dtype: torch.dtype) -> tuple[int, int]:
    """Of the weights of the layers' products, and of what a forward of two layers keeps for its gradient."""
    transformer, inputs, forward = transformer_and_call(width, size_px, text_tokens, 1, dtype)
    transformer.requires_grad_(False)
    blocks, weights = transformer.transformer_blocks, 0
    for name, layer in list(blocks.named_modules()):
        if isinstance(layer, nn.Linear):
            replace_layer(blocks, name, LAYERS[kind](layer))
            weights += blocks.get_submodule(name).weight.nbytes
    inputs[0].requires_grad_(True)
    with Allocations([*transformer.parameters(), *transformer.buffers(), *inputs]) as allocations:
        made = forward()
        kept = allocations.live
    del made
    return weights, kept


def decoder_peak(base_channels: int, size_px: int, dtype: torch.dtype) -> int:
    """Of decoding one picture."""
    vae = AutoencoderKLQwenImage(base_dim=base_channels)
    for parameter in vae.parameters():
        parameter.data = parameter.data.to(dtype)
    latents = torch.zeros(1, 16, size_px // 8, size_px // 8)
    return peak_bytes(lambda: decode_latents(vae, latents), [*vae.parameters(), latents])


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    dtype = getattr(torch, parser.parse_args().dtype)
    print(f"{'part':<12} {'shape':<26} {'torch MB':>9} {'estimate':>9} {'off':>6}")
    for width, size_px, text_tokens, batch in TRANSFORMERS:
        found = transformer_peak(width, size_px, text_tokens, batch, dtype)
        numbers = transformer_numbers(width, size_px, batch, text_tokens)
        _print_row("transformer", f"{width} wide, {batch} x {size_px} px", found, numbers * dtype.itemsize)
    for base_channels, size_px in AUTOENCODERS:
        found = decoder_peak(base_channels, size_px, dtype)
        numbers = decoder_numbers(base_channels, size_px)
        _print_row("decoder", f"{base_channels} channels, {size_px} px", found, numbers * dtype.itemsize)
    width, size_px, text_tokens, _ = KEPT
    print(f"\n{'frozen base':<16} {'its layers MB':>13} {'kept for the gradient MB':>25}")
    for kind in LAYERS:
        weights, kept = kept_bytes(kind, width, size_px, text_tokens, dtype)
        print(f"{kind:<16} {weights / 1e6:>13.1f} {kept / 1e6:>25.1f}", flush=True)


def _print_row(part: str, shape: str, found: float, estimated: float) -> None:
    print(
        f"{part:<12} {shape:<26} {found / 1e6:>9.1f} {estimated / 1e6:>9.1f} {estimated / found - 1:>+6.1%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
