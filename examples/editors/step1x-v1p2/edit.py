"""Step1X-Edit v1p2 (Peyton-Chen/diffusers, branch step1xedit_v1p2) as one of pixelsmile's editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from protocol import Edit, Job, arguments, full, real, serve, whole


def load(options: argparse.Namespace) -> Edit:
    import torch
    from diffusers import Step1XEditPipelineV1P2

    pipeline = Step1XEditPipelineV1P2.from_pretrained(options.model, torch_dtype=torch.bfloat16)
    if options.offload:
        pipeline.enable_model_cpu_offload()
    else:
        pipeline.to(options.device)

    def edit(job: Job):
        prompt = full(job)
        torch.manual_seed(job.seed)  # thinking and reflection draw their words
        made = pipeline(
            image=job.picture,
            prompt=prompt,
            num_inference_steps=options.steps,
            true_cfg_scale=options.cfg,
            size_level=options.size_level,
            generator=torch.Generator().manual_seed(job.seed),
            enable_thinking_mode=not options.no_thinking,
            enable_reflection_mode=not options.no_reflection,
        )
        return made.final_images[0]

    return edit


if __name__ == "__main__":
    parser = arguments("Step1X-Edit v1p2")
    parser.add_argument(
        "--model", default="stepfun-ai/Step1X-Edit-v1p2", help="a folder, or an id of the hub"
    )
    parser.add_argument("--steps", type=whole, default=50)
    parser.add_argument("--cfg", type=real, default=6.0)
    parser.add_argument("--size-level", type=whole, default=1024, help="edit at that many pixels squared")
    parser.add_argument("--no-thinking", action="store_true", help="take the prompt as it is")
    parser.add_argument("--no-reflection", action="store_true", help="edit once; otherwise up to three times")
    parser.add_argument("--offload", action="store_true", help="parts that rest lie in main memory")
    serve(load, parser)
