"""Stands in for dvlab-research/DreamOmni2: dreamomni2/pipeline_dreamomni2.py."""

from calls import picture
from diffusers import DiffusionPipeline, Output


class DreamOmni2Pipeline(DiffusionPipeline):
    def __call__(
        self,
        images=None,
        prompt=None,
        height=None,
        width=None,
        num_inference_steps=28,
        guidance_scale=3.5,
        generator=None,
    ):
        assert self.place == "cuda"
        assert self.active == (["edit"], [1])
        (source,) = images
        assert source.size == (width, height)
        seen = {"steps": num_inference_steps, "guidance": guidance_scale, "seed": generator.seed}
        return Output(picture((width, height), prompt, **seen))
