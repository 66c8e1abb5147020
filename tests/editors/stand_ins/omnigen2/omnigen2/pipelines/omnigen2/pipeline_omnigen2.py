"""Stands in for VectorSpaceLab/OmniGen2: omnigen2/pipelines/omnigen2/pipeline_omnigen2.py."""

from calls import picture
from diffusers import DiffusionPipeline, Output


class OmniGen2Pipeline(DiffusionPipeline):
    def __call__(
        self,
        prompt=None,
        negative_prompt=None,
        max_sequence_length=None,
        input_images=None,
        num_images_per_prompt=1,
        height=None,
        width=None,
        num_inference_steps=28,
        text_guidance_scale=4.0,
        image_guidance_scale=1.0,
        cfg_range=(0.0, 1.0),
        generator=None,
        output_type="pil",
    ):
        assert self.place in ("cuda", "offloaded")
        assert self.transformer is not None
        assert num_images_per_prompt == 1
        assert output_type == "pil"
        assert negative_prompt.startswith("(((deformed)))")
        (source,) = input_images
        assert source.size == (width, height)
        seen = {
            "steps": num_inference_steps,
            "guidance": [text_guidance_scale, image_guidance_scale],
            "seed": generator.seed,
        }
        return Output(picture((width // 16 * 16, height // 16 * 16), prompt, **seen))
