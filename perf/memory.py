"""What an edit and a training hold at their widest moment: the estimates against what torch allocates.

    python perf/memory.py [--dtype bfloat16]

An edit's (`editing/memory.py`); then the transformer's part of a step of a training, with an adapter on
twelve layers of a block and some of its blocks checkpointed (`training/step_memory.py`), beside its
arithmetic as torch counts it and the time of forward and backward; last, what a forward keeps for its
gradient where the frozen base is in fewer bits: no whole weight; `diffusers' GGUF` has the library's own
layers, which keep one each.

On the CPU, for models from tiny to middle size, with random weights. Counted is what torch allocates while
the parts run, by watching every operation: weights and inputs, which are there before, are left out. A GPU's
kernels allocate alike, but for what they use as scratch.
"""

import argparse
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import gguf
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from pixelsmile.editing.autoencoder import decode_latents
from pixelsmile.editing.backbone import EditBackbone, Rows
from pixelsmile.editing.memory import TOKEN_PX, decoder_numbers, transformer_numbers
from pixelsmile.editing.small_weights import GgufLinear, ScaledLinear, replace_layer
from pixelsmile.training.adapter import adapter_parameters, add_adapter
from pixelsmile.training.config import AdapterSettings
from pixelsmile.training.estimate import met_by_a_token
from pixelsmile.training.step import checkpoint_blocks
from pixelsmile.training.step_memory import StepShape

# Width of the transformer, side in px, tokens of text, pictures at once.
TRANSFORMERS = ((256, 256, 100, 1), (256, 512, 220, 1), (512, 512, 400, 1), (512, 256, 400, 2))
KEPT = (512, 512, 400, 1)  # of which is told what a base keeps for the gradient
# Channels of the autoencoder at its highest resolution, side in px.
AUTOENCODERS = ((8, 64), (16, 128), (32, 256), (96, 128))
HEAD = 64
# Of a training: width, blocks, side in px, tokens of text, rows; steps that are timed.
TRAINED = ((256, 4, 256, 100, 1), (512, 4, 256, 100, 1))
ROUNDS = 3
# FlopCounterMode knows the attention of GPUs alone.
_ATTENTION: dict[Any, Any] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda *shapes, **_: sdpa_flop_count(
        *shapes[:3]
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda *shapes, **_: (
        sdpa_backward_flop_count(*shapes[:4])
    ),
}


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


def transformer_of(width: int, layers: int, dtype: torch.dtype) -> QwenImageTransformer2DModel:
    """Of that width and so many layers, with random weights."""
    transformer = QwenImageTransformer2DModel(
        num_layers=layers,
        attention_head_dim=HEAD,
        num_attention_heads=width // HEAD,
        joint_attention_dim=width,
        axes_dims_rope=(8, 28, 28),
        zero_cond_t=True,
    )
    for parameter in transformer.parameters():
        parameter.data = parameter.data.to(dtype)
    return transformer


def transformer_and_call(
    width: int, size_px: int, text_tokens: int, batch: int, dtype: torch.dtype
) -> tuple[QwenImageTransformer2DModel, list[Tensor], Callable[[], object]]:
    """A transformer of that width, of two layers, its tokens and text, and a forward of it."""
    transformer = transformer_of(width, 2, dtype)
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


@dataclass(frozen=True)
class Middle:
    """A transformer with an adapter, its inputs, and what the estimate takes it for."""

    transformer: Any
    rows: Rows
    shape: StepShape
    dtype: torch.dtype

    def loss(self) -> Tensor:
        """Of a forward as a step of the training makes it."""
        with torch.autocast(self.rows.noisy.device.type, torch.bfloat16, self.dtype == torch.bfloat16):
            velocities = EditBackbone().velocities(self.transformer, self.rows)
        return velocities.float().square().mean()

    def step(self) -> None:
        """Forward and backward; the gradients are dropped."""
        self.loss().backward()
        self.transformer.zero_grad()


def build(
    sizes: tuple[int, int, int, int, int],
    dtype: torch.dtype,
    checkpointed: int,
    rank: int = 16,
) -> Middle:
    """sizes: as TRAINED. checkpointed: of the first blocks. rank: of the adapter."""
    width, layers, size_px, text_tokens, rows = sizes
    torch.manual_seed(0)
    transformer = transformer_of(width, layers, dtype)
    add_adapter(transformer, AdapterSettings(rank=rank), 0)
    checkpoint_blocks(transformer, checkpointed or False)
    side = size_px // TOKEN_PX
    noisy, reference = (torch.randn(rows, side**2, 64).to(dtype) for _ in range(2))
    inputs = Rows(
        noisy=noisy,
        reference=reference,
        timesteps=torch.full((rows,), 0.5, dtype=dtype),
        embeddings=torch.randn(rows, text_tokens, width).to(dtype),
        grid=(side, side),
    )
    shape = StepShape(
        rows=rows,
        tokens=2 * side**2 + text_tokens,
        layers=layers,
        width=width,
        num_pixels=0,
        decoder_channels=(),
        checkpointed=checkpointed,
        adapter=met_by_a_token(transformer),
        number_bytes=dtype.itemsize,
    )
    return Middle(transformer, inputs, shape, dtype)


def step_peak(middle: Middle) -> float:
    """The most bytes that a forward and backward hold beside weights, inputs and the adapter's gradients."""
    gradients = sum(parameter.nbytes for parameter in adapter_parameters(middle.transformer).values())
    middle.step()  # what is made once, as the tables of positions
    rows = middle.rows
    known = [*middle.transformer.parameters(), rows.noisy, rows.reference, rows.timesteps, rows.embeddings]
    with Allocations(known) as allocations:
        middle.step()
    return allocations.peak - gradients


def counted_flop(middle: Middle) -> dict[str, float]:
    """By torch: forward, and all that follows it."""
    with FlopCounterMode(display=False, custom_mapping=_ATTENTION) as counter:
        loss = middle.loss()
        forward = counter.get_total_flops()
        loss.backward()
        return {"forward": forward, "rest": counter.get_total_flops() - forward}


def estimated_flop(shape: StepShape) -> dict[str, float]:
    """The same by formula."""
    parts = shape.step_flop()
    forward = parts["transformer, forward"]
    return {"forward": forward, "rest": sum(parts.values()) - forward}


def step_seconds(middle: Middle) -> float:
    """The median of the time of a step, after one to warm up."""
    found = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        middle.step()
        found.append(time.perf_counter() - start)
    return median(found[1:])


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
        numbers = decoder_numbers(base_channels, size_px, number_bytes=dtype.itemsize)
        _print_row("decoder", f"{base_channels} channels, {size_px} px", found, numbers * dtype.itemsize)
    print(
        f"\n{'a step: width':<14} {'tokens':>6} {'checkpointed':>12} {'torch MB':>9} {'estimate':>9}", end=""
    )
    print(f" {'off':>6} {'GFLOP':>8} {'off':>6} {'seconds':>8}")
    for sizes in TRAINED:
        for checkpointed in (0, sizes[1] // 2, sizes[1]):
            _print_step(build(sizes, dtype, checkpointed))
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


def _print_step(middle: Middle) -> None:
    shape, found = middle.shape, step_peak(middle)
    said = shape.transformer_numbers * shape.number_bytes
    counted, flop = sum(counted_flop(middle).values()), sum(shape.step_flop().values())
    print(
        f"{shape.width:<14} {shape.tokens:>6} {f'{shape.checkpointed} of {shape.layers}':>12} "
        f"{found / 1e6:>9.1f} {said / 1e6:>9.1f} {said / found - 1:>+6.1%} {counted / 1e9:>8.2f} "
        f"{flop / counted - 1:>+6.1%} {step_seconds(middle):>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
