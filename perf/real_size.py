"""One denoising step at the size of Qwen-Image-Edit-2511, with random weights: memory, time, and the floor.

    python perf/real_size.py [--batch 1 6] [--layers 60] [--size 512] [--steps 4] [--compile] [--fp8]

20.4 billion parameters in bfloat16 need a GPU of about 48 GB; fewer `--layers` fit anywhere. The step is the
product's own (`editing/sampler.py`). The floor is the arithmetic of the step (matrix products and attention)
over what a large bfloat16 matrix product reaches on the same device in the same run.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from counts import whole
from diffusers import QwenImageTransformer2DModel

from pixelsmile.editing.acceleration import Acceleration
from pixelsmile.editing.conditioning import Term
from pixelsmile.editing.fast_transformer import accelerate
from pixelsmile.editing.flow import PATCH, FlowSchedule
from pixelsmile.editing.options import ATTENTIONS
from pixelsmile.editing.sampler import Denoiser
from pixelsmile.editing.small_weights import quantise_linears

TEXT_TOKENS = 348  # 324 of the picture that the text encoder sees beside an adapter, and a prompt
TEXT_DIM, LATENT_CHANNELS, COMPRESSION = 3584, 16, 8


def build(num_layers: int, device: torch.device) -> QwenImageTransformer2DModel:
    """The real transformer with random weights, made on the device."""
    with torch.device("meta"):
        transformer = QwenImageTransformer2DModel(num_layers=num_layers, zero_cond_t=True)
    pos_embed = type(transformer.pos_embed)(theta=10000, axes_dim=[16, 56, 56], scale_rope=True)
    transformer = transformer.to(torch.bfloat16).to_empty(device=device)
    transformer.pos_embed = pos_embed  # its tables are no buffers
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    return transformer.eval()


def step_flops(transformer: QwenImageTransformer2DModel, image_tokens: int, batch: int) -> float:
    """Floating point operations of one forward: 2 a weight and token, and attention."""
    dim, layers = transformer.inner_dim, len(transformer.transformer_blocks)
    tokens = image_tokens + TEXT_TOKENS
    weights = 12 * dim * dim * layers  # of one stream: four projections and a feed-forward of width 4
    attention = 4 * tokens * tokens * dim * layers
    return batch * (2 * weights * tokens + attention)


def reached_flops(device: torch.device, side: int = 8192, rounds: int = 10) -> float:
    """What a bfloat16 matrix product of `side` reaches, in operations a second."""
    side = side if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = timed(lambda: a @ b, device, rounds)
    return 2 * side**3 / seconds


def timed(call: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Seconds a call, after one call to warm up."""
    call()
    _wait(device)
    start = time.perf_counter()
    for _ in range(rounds):
        call()
    _wait(device)
    return (time.perf_counter() - start) / rounds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def main() -> None:
    """Print one JSON line for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=whole(), nargs="+", default=[1, 6])
    parser.add_argument("--layers", type=whole(), default=60)
    parser.add_argument("--size", type=whole(16), default=512)
    parser.add_argument("--steps", type=whole(), default=4)
    parser.add_argument("--compile", action="store_true", help="as `edit --compile`")
    parser.add_argument("--attention", choices=ATTENTIONS, help="as `edit --attention`")
    parser.add_argument("--fp8", action="store_true", help="weights as `edit --quantization fp8` keeps them")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    transformer = build(arguments.layers, device)
    parameters = sum(parameter.numel() for parameter in transformer.parameters())
    if arguments.fp8:
        quantise_linears(transformer)
    accelerate(transformer, Acceleration(attention=arguments.attention, compile=arguments.compile), device)
    side = arguments.size // COMPRESSION
    tokens = (side // PATCH) ** 2
    reached = reached_flops(device)
    channels = LATENT_CHANNELS * PATCH**2
    for batch in arguments.batch:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        reference = torch.randn(1, tokens, channels, device=device, dtype=torch.bfloat16)
        denoiser = Denoiser(transformer, FlowSchedule(), reference, (side, side), batch)
        noisy = torch.randn(batch, tokens, channels, device=device)
        embedding = torch.randn(TEXT_TOKENS, TEXT_DIM, device=device, dtype=torch.bfloat16)
        conditions = [(Term(1.0, embedding),)] * batch
        sigma = torch.tensor(0.5)
        seconds = timed(lambda: denoiser.velocity(noisy, sigma, conditions), device, arguments.steps)  # noqa: B023
        floor = step_flops(transformer, 2 * tokens, batch) / reached
        record = {
            "parameters_billion": round(parameters / 1e9, 3),
            "batch": batch,
            "fp8": arguments.fp8,
            "attention": arguments.attention,
            "compile": arguments.compile,
            "size_px": arguments.size,
            "seconds_a_step": round(seconds, 4),
            "floor_seconds": round(floor, 4),
            "share_of_floor": round(floor / seconds, 3),
            "matrix_product_tflops": round(reached / 1e12, 1),
        }
        if device.type == "cuda":
            record["peak_memory_gib"] = round(torch.cuda.max_memory_allocated(device) / 2**30, 1)
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
