"""Stands in for snap-research/kontinuouskontext: model/sliders_pipeline.py."""

from calls import picture
from diffusers import FluxKontextPipeline, Output


class FluxKontextSliderPipeline(FluxKontextPipeline):
    def __call__(
        self,
        image=None,
        height=None,
        width=None,
        num_inference_steps=28,
        generator=None,
        prompt_embeds=None,
        pooled_prompt_embeds=None,
        text_condn=False,
        modulation_condn=False,
        slider_value=None,
        is_clip_input=False,
    ):
        assert self.place == "cuda"
        assert self.parts["slider_projector"].is_loaded
        assert len(self.adapters) == 1
        assert (text_condn, modulation_condn, is_clip_input) == (False, True, True)
        assert slider_value.shape == (1, 1)
        assert 0 < slider_value.item() <= 1
        prompt = prompt_embeds.removeprefix("embeddings of ")
        assert pooled_prompt_embeds == f"pooled {prompt}"
        seen = {"steps": num_inference_steps, "slider": slider_value.item(), "seed": generator.seed}
        return Output(picture((width or 1024, height or 1024), prompt, **seen))
