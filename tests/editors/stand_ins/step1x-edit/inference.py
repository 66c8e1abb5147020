"""Stands in for stepfun-ai/Step1X-Edit: inference.py."""

from pathlib import Path

import torch
from calls import picture, record


class ImageGenerator:
    def __init__(
        self,
        dit_path=None,
        ae_path=None,
        qwen2vl_model_path=None,
        device="cuda",
        max_length=640,
        quantized=False,
        offload=False,
    ):
        names = [Path(path).name for path in (dit_path, ae_path, qwen2vl_model_path)]
        record("ImageGenerator", names=names, quantized=quantized, offload=offload, max_length=max_length)

    def generate_image(
        self,
        prompt,
        negative_prompt,
        ref_images,
        num_steps,
        cfg_guidance,
        seed,
        num_samples=1,
        show_progress=False,
        size_level=512,
    ):
        assert negative_prompt == ""
        assert num_samples == 1
        assert ref_images.mode == "RGB"
        assert torch.cuda.is_available()
        seen = {"steps": num_steps, "cfg": cfg_guidance, "seed": seed, "level": size_level}
        return [picture(ref_images.size, prompt, **seen)]
