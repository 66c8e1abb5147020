"""OmniGen2 (VectorSpaceLab/OmniGen2), its pipeline, as one of pixelsmile's editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from protocol import Edit, Job, arguments, folder, full, real, serve, whole

# The default of the repository's inference.py: its numbers were made with it.
NEGATIVE_PROMPT = (
    "(((deformed))), blurry, over saturation, bad anatomy, disfigured, poorly drawn face, mutation, mutated, "
    "(extra_limb), (ugly), (poorly drawn hands), fused fingers, messy drawing, broken legs censor, censored, "
    "censor_bar"
)


def load(options: argparse.Namespace) -> Edit:
    """Loaded as inference.py does: the pipeline with the code that lies beside the weights."""
    import torch
    from omnigen2.models.transformers.transformer_omnigen2 import OmniGen2Transformer2DModel
    from omnigen2.pipelines.omnigen2.pipeline_omnigen2 import OmniGen2Pipeline

    weights = str(options.model_path)
    pipeline = OmniGen2Pipeline.from_pretrained(weights, torch_dtype=torch.bfloat16, trust_remote_code=True)
    pipeline.transformer = OmniGen2Transformer2DModel.from_pretrained(
        weights, subfolder="transformer", torch_dtype=torch.bfloat16
    )
    if options.offload:
        pipeline.enable_model_cpu_offload()
    else:
        pipeline.to(options.device)

    def edit(job: Job):
        return pipeline(
            prompt=full(job),
            input_images=[job.picture],
            width=job.picture.width,
            height=job.picture.height,
            num_inference_steps=options.steps,
            max_sequence_length=1024,
            text_guidance_scale=options.text_guidance,
            image_guidance_scale=options.image_guidance,
            cfg_range=(0.0, 1.0),
            negative_prompt=options.negative_prompt,
            num_images_per_prompt=1,
            generator=torch.Generator(device=options.device).manual_seed(job.seed),
            output_type="pil",
        ).images[0]

    return edit


if __name__ == "__main__":
    parser = arguments("OmniGen2", repository="omnigen2/pipelines/omnigen2/pipeline_omnigen2.py")
    parser.add_argument("--model-path", type=folder, required=True, help="the folder of the weights")
    parser.add_argument("--steps", type=whole, default=50)
    parser.add_argument("--text-guidance", type=real, default=5.0)
    parser.add_argument(
        "--image-guidance", type=real, default=2.0, help="1.2 to 2 for edits, say the authors"
    )
    parser.add_argument("--negative-prompt", default=NEGATIVE_PROMPT)
    parser.add_argument("--offload", action="store_true", help="about half the memory")
    serve(load, parser)
