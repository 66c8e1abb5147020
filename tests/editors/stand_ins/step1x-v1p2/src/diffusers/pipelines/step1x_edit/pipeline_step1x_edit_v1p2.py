"""Stands in for Peyton-Chen/diffusers, branch step1xedit_v1p2: its pipeline."""

from calls import picture
from diffusers import DiffusionPipeline, Output


class Step1XEditPipelineV1P2(DiffusionPipeline):
    def __call__(
        self,
        image=None,
        prompt=None,
        true_cfg_scale=6.0,
        size_level=1024,
        num_inference_steps=28,
        generator=None,
        enable_thinking_mode=False,
        enable_reflection_mode=True,
    ):
        assert self.place in ("cuda", "offloaded")
        seen = {
            "steps": num_inference_steps,
            "cfg": true_cfg_scale,
            "seed": generator.seed,
            "level": size_level,
            "modes": [enable_thinking_mode, enable_reflection_mode],
        }
        draft = picture(image.size, prompt, draft=True, **seen)
        return Output(draft, final_images=[picture(image.size, prompt, **seen)])
