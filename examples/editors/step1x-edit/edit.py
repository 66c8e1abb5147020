"""Step1X-Edit (stepfun-ai/Step1X-Edit), its class ImageGenerator, as one of pixelsmile's editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from protocol import Edit, Job, arguments, folder, full, real, serve, whole


def load(options: argparse.Namespace) -> Edit:
    """The settings of the repository's inference.py, where no option says otherwise."""
    from inference import ImageGenerator

    weights = options.model_path
    generator = ImageGenerator(
        dit_path=str(weights / options.dit),
        ae_path=str(weights / "vae.safetensors"),
        qwen2vl_model_path=str(weights / "Qwen2.5-VL-7B-Instruct"),
        device=options.device,
        max_length=640,
        quantized=options.quantized,
        offload=options.offload,
    )

    def edit(job: Job):
        return generator.generate_image(
            full(job),
            negative_prompt="",
            ref_images=job.picture,
            num_samples=1,
            num_steps=options.steps,
            cfg_guidance=options.cfg,
            seed=job.seed,
            show_progress=False,
            size_level=options.size_level,
        )[0]

    return edit


if __name__ == "__main__":
    parser = arguments("Step1X-Edit", repository="inference.py")
    parser.add_argument("--model-path", type=folder, required=True, help="the folder of the weights")
    parser.add_argument("--dit", default="step1x-edit-i1258.safetensors", help="the transformer's file in it")
    parser.add_argument("--steps", type=whole, default=28)
    parser.add_argument("--cfg", type=real, default=6.0)
    parser.add_argument("--size-level", type=whole, default=512, help="edit at that many pixels squared")
    parser.add_argument("--offload", action="store_true", help="26 to 29 GB instead of 42 to 50, slower")
    parser.add_argument("--quantized", action="store_true", help="fp8 weights")
    serve(load, parser)
