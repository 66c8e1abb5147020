"""Concept Sliders on Stable Diffusion 1.4 (rohitgandikota/sliders), its LoRANetwork, as a pixelsmile editor.

The picture is inverted once (null_text.py), then made again with the slider on, as the repository's
demo_image_editing.ipynb does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from PIL import Image
from protocol import Job, RefusedError, arguments, real, serve, target_file, whole

SIDE = 512
GUIDANCE = 7.5
STEPS = 50
KEPT = 4  # inversions, the newest


class Editor:
    """A model with its sliders on it, and the inversions of the pictures that it has seen last."""

    def __init__(self, options: argparse.Namespace) -> None:
        import null_text
        import torch
        from diffusers import DDIMScheduler, StableDiffusionPipeline

        self.options = options
        self.pipeline = StableDiffusionPipeline.from_pretrained(options.base, torch_dtype=torch.float32)
        self.pipeline.to(options.device)
        for part in (self.pipeline.unet, self.pipeline.vae, self.pipeline.text_encoder):
            part.requires_grad_(False)
        scheduler = DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
        )
        self.schedule = null_text.Schedule.of(scheduler, STEPS)
        self.networks = sliders(self.pipeline.unet, options)
        self.inversions = {}

    def __call__(self, job: Job) -> Image.Image:
        import null_text

        network = self.networks.get(job.target)
        if network is None:
            raise RefusedError(f"there is no slider for {job.target!r}: name its file with --slider")
        inversion = self.inverted(job)
        scale = self.options.full_scale * job.strength

        def before(timestep: int) -> None:
            network.set_lora_slider(scale=scale if timestep <= self.options.start_noise else 0)
            network.__enter__()  # takes the scale over to the layers

        try:
            latents = null_text.generate(self.predict, self.schedule, inversion, GUIDANCE, before)
        finally:
            network.__exit__(None, None, None)  # off: the next may be another slider, or an inversion
        return to_picture(self.pipeline.vae, latents)

    def predict(self, latents, timestep: int, words):
        """The noise."""
        return self.pipeline.unet(latents, timestep, encoder_hidden_states=words).sample

    def inverted(self, job: Job):
        """The inversion of its picture, kept for the other strengths."""
        import null_text

        key = job.picture_key
        if key not in self.inversions:
            made = null_text.invert(
                self.predict,
                self.schedule,
                to_latents(self.pipeline.vae, square(job.picture)),
                embedded(self.pipeline, self.options.caption),
                embedded(self.pipeline, ""),
                GUIDANCE,
            )
            while len(self.inversions) >= KEPT:
                self.inversions.pop(next(iter(self.inversions)))
            self.inversions[key] = made
        return self.inversions[key]


def sliders(unet, options: argparse.Namespace) -> dict:
    """The networks by target, all of them on the model and switched off."""
    import torch
    from trainscripts.textsliders import lora

    if options.train_method not in ("xattn", "xattn-strict"):  # sliders of convolutions too, as in training
        for module in lora.UNET_TARGET_REPLACE_MODULE_CONV:
            if module not in lora.DEFAULT_TARGET_REPLACE:
                lora.DEFAULT_TARGET_REPLACE.append(module)
    networks = {}
    for target, path in dict(options.slider).items():
        network = lora.LoRANetwork(
            unet, rank=options.rank, multiplier=1.0, alpha=1.0, train_method=options.train_method
        ).to(options.device, dtype=torch.float32)
        weights = torch.load(str(path), map_location="cpu", weights_only=True)  # no pickle that runs code
        network.load_state_dict(weights)
        network.requires_grad_(False)
        with network:
            pass  # once on and off: it begins switched on
        networks[target] = network
    return networks


def square(picture: Image.Image) -> Image.Image:
    """The middle of the picture."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))


def embedded(pipeline, words: str):
    """The words as the text encoder gives them."""
    import torch

    tokens = pipeline.tokenizer(
        words,
        padding="max_length",
        max_length=pipeline.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        return pipeline.text_encoder(tokens.input_ids.to(pipeline.device))[0]


def to_latents(autoencoder, picture: Image.Image):
    """The picture as the model sees it."""
    import numpy
    import torch

    values = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)[None].to(autoencoder.device)
    with torch.no_grad():
        latents = autoencoder.encode(values.float() / 127.5 - 1).latent_dist.mean
    return latents * autoencoder.config.scaling_factor


def to_picture(autoencoder, latents) -> Image.Image:
    """What the model sees, as a picture."""
    import torch

    with torch.no_grad():
        decoded = autoencoder.decode(latents / autoencoder.config.scaling_factor).sample
    values = ((decoded[0] / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0)
    return Image.fromarray(values.to(torch.uint8).cpu().numpy())


if __name__ == "__main__":
    parser = arguments("Concept Sliders", repository="trainscripts/textsliders/lora.py")
    parser.add_argument(
        "--slider",
        type=target_file,
        action="append",
        required=True,
        help="TARGET=FILE, such as happy=smile.pt; again for more",
    )
    parser.add_argument(
        "--base", default="CompVis/stable-diffusion-v1-4", help="a folder, or an id of the hub"
    )
    parser.add_argument("--caption", default="photo of a person", help="what the picture is inverted with")
    parser.add_argument("--full-scale", type=real, default=4.0, help="the LoRA's scale at strength 1")
    parser.add_argument("--start-noise", type=whole, default=500, help="timestep at which the slider goes on")
    parser.add_argument("--train-method", default="noxattn", help="that the slider was trained with")
    parser.add_argument("--rank", type=whole, default=4, help="of the slider")
    serve(Editor, parser)
