"""A Stable Diffusion of a few numbers, on the real torch: what the wrapper of Concept Sliders inverts."""

import torch
from calls import record

from diffusers import DiffusionPipeline


class Answer:
    def __init__(self, **values):
        self.__dict__ |= values


class DDIMScheduler:
    def __init__(self, beta_start, beta_end, beta_schedule, clip_sample, set_alpha_to_one):
        assert beta_schedule == "scaled_linear"
        assert not set_alpha_to_one
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, 1000) ** 2
        self.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
        self.final_alpha_cumprod = self.alphas_cumprod[0]

    def set_timesteps(self, num_inference_steps, device=None):
        self.timesteps = torch.arange(num_inference_steps).flip(0) * (1000 // num_inference_steps)


class UNet(torch.nn.Module):
    """Its noise is a share of the latents, more of it for more words, and what the sliders add."""

    def __init__(self):
        super().__init__()
        self.share = torch.nn.Parameter(torch.tensor(0.3))
        self.shifts = []

    def forward(self, sample, timestep, encoder_hidden_states):
        said = encoder_hidden_states.mean(dim=(1, 2))[:, None, None, None]
        added = sum(network.multiplier * shift for shift, network in self.shifts)
        return Answer(sample=sample * (self.share + said) + added)


class Autoencoder(torch.nn.Module):
    """Its latents are the picture, a fortieth of it and once more."""

    config = Answer(scaling_factor=0.18215)
    device = "cpu"

    def encode(self, x):
        assert x.shape == (1, 3, 512, 512)
        small = torch.nn.functional.avg_pool2d(x, 8)
        return Answer(latent_dist=Answer(mean=torch.cat([small, small[:, :1]], dim=1)))

    def decode(self, z):
        return Answer(sample=torch.nn.functional.interpolate(z[:, :3], scale_factor=8))


class TextEncoder(torch.nn.Module):
    def forward(self, tokens):
        return (tokens[:, :, None].expand(-1, -1, 2) / 500,)


class Tokenizer:
    model_max_length = 8

    def __call__(self, text, padding, max_length, truncation, return_tensors):
        return Answer(input_ids=torch.full((1, max_length), float(len(text))))


class StableDiffusionPipeline(DiffusionPipeline):
    def __init__(self):
        record("StableDiffusionPipeline")
        self.unet, self.vae, self.text_encoder = UNet(), Autoencoder(), TextEncoder()
        self.tokenizer, self.device = Tokenizer(), "cpu"
