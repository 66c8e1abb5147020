"""SliderEdit on FLUX.1 Kontext (ArmanZarei/SliderEdit), its pipeline, as one of pixelsmile's editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from protocol import Edit, Job, arguments, file, real, serve, whole


def load(options: argparse.Namespace) -> Edit:
    import torch
    from slideredit.pipelines import SliderEditFluxKontextPipeline

    pipeline = SliderEditFluxKontextPipeline.from_pretrained(options.base, torch_dtype=torch.bfloat16)
    pipeline.to(options.device)
    if options.gstlora is not None:
        pipeline.load_gstlora(str(options.gstlora))
    else:
        check_unpickling(torch.__version__)
        pipeline.load_stlora(str(options.stlora), lora_rank=options.rank, lora_dropout=0.0)

    def edit(job: Job):
        # 1 suppresses the edit, 0 is what Kontext does without a slider, negative values strengthen it.
        alpha = options.alpha_at_0 + (options.alpha_at_1 - options.alpha_at_0) * job.strength
        if options.gstlora is not None:
            slider = {"slider_alpha": alpha}
        else:
            slider = {"subprompts_list": [job.prompt], "slider_alpha_list": [alpha]}
        return pipeline(
            image=job.picture,
            prompt=job.prompt,
            height=job.picture.height,  # else a square comes back
            width=job.picture.width,
            generator=torch.Generator().manual_seed(job.seed),
            **slider,
        ).images[0]

    return edit


def check_unpickling(version: str) -> None:
    """load_stlora calls torch.load, and before 2.6 that ran whatever code a file held."""
    if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < (2, 6):
        raise RuntimeError(f"torch {version} would run code that stands in the STLoRA: take 2.6 or newer")


if __name__ == "__main__":
    parser = arguments("SliderEdit")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--gstlora", type=file, help="one slider for the whole instruction: .safetensors")
    which.add_argument("--stlora", type=file, help="a slider for each instruction: .pt")
    parser.add_argument("--rank", type=whole, default=16, help="of the STLoRA")
    parser.add_argument(
        "--base", default="black-forest-labs/FLUX.1-Kontext-dev", help="a folder, or an id of the hub"
    )
    parser.add_argument("--alpha-at-0", type=real, default=1.0, help="its slider at strength 0")
    parser.add_argument("--alpha-at-1", type=real, default=-1.0, help="and at strength 1")
    serve(load, parser)
