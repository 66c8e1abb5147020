"""Stands in for garibida/ReNoise-Inversion: src/utils/enums_utils.py."""

from calls import picture, record
from diffusers import DiffusionPipeline, Output
from src.eunms import Model_Type, Scheduler_Type


class Scheduler:
    noise = None

    def set_noise_list(self, noise_list):
        self.noise = noise_list


class ImageToImage(DiffusionPipeline):
    """diffusers' StableDiffusionXLImg2ImgPipeline."""

    def __init__(self):
        self.scheduler = Scheduler()

    def __call__(
        self,
        image=None,
        strength=0.3,
        num_inference_steps=50,
        denoising_start=None,
        guidance_scale=5.0,
        prompt_embeds=None,
        negative_prompt_embeds=None,
        pooled_prompt_embeds=None,
        negative_pooled_prompt_embeds=None,
    ):
        prompt, scale = prompt_embeds
        assert image.removeprefix("latents") == self.scheduler.noise.removeprefix("noise")
        assert abs(strength + denoising_start - 1) < 1e-9
        seen = {"scale": scale, "steps": num_inference_steps, "guidance": guidance_scale, "of": image}
        return Output(picture((512, 512), prompt, **seen))


def model_type_to_size(model_type):
    assert model_type is Model_Type.SDXL_Turbo
    return (512, 512)


def get_pipes(model_type, scheduler_type, device="cuda"):
    assert scheduler_type is Scheduler_Type.EULER
    record("get_pipes", on=device)
    return ImageToImage(), ImageToImage()
