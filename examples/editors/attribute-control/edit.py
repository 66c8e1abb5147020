"""AttributeControl on SDXL-Turbo (CompVis/attribute-control, with ReNoise) as a pixelsmile editor.

The picture is inverted once with ReNoise, then made again with a delta on the word for its subject, as the
repository's notebooks/real_image_editing does.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from PIL import Image
from protocol import Job, RefusedError, arguments, checkout, real, serve, target_file, whole

THEIRS = {"happy": "person_smile.pt", "surprised": "person_surprised.pt"}
KEPT = 4  # inversions, the newest


class Editor:
    """The model with its deltas, and the inversions of the pictures that it has seen last."""

    def __init__(self, options: argparse.Namespace) -> None:
        import torch
        from attribute_control.model import SDXL
        from attribute_control.prompt_utils import get_mask_regex
        from src.eunms import Model_Type, Scheduler_Type
        from src.utils.enums_utils import get_pipes, model_type_to_size

        subject = rf"\b({re.escape(options.subject)})\b"
        if not re.search(subject, options.caption):
            raise ValueError(f"{options.subject!r} is no word of the caption {options.caption!r}")
        self.options = options
        self.model = SDXL(  # for the words alone
            pipeline_type="diffusers.StableDiffusionXLPipeline",
            model_name=options.words_of,
            pipe_kwargs={"torch_dtype": torch.float16},
            device=options.device,
        )
        del self.model.pipe.unet, self.model.pipe.vae
        self.deltas = read_deltas(self.model.dims, options)
        self.words = self.model.embed_prompt(options.caption)
        self.mask = get_mask_regex(options.caption, subject)
        self.to_noise, self.to_picture = get_pipes(
            Model_Type.SDXL_Turbo, Scheduler_Type.EULER, device=options.device
        )
        self.size = model_type_to_size(Model_Type.SDXL_Turbo)
        self.inversions = {}

    def __call__(self, job: Job) -> Image.Image:
        delta = self.deltas.get(job.target)
        if delta is None:
            raise RefusedError(f"there is no delta for {job.target!r}: name its file with --delta")
        latents, noise = self.inverted(job)
        self.to_picture.scheduler.set_noise_list(noise)
        changed = delta.apply(self.words, self.mask, self.options.full_scale * job.strength)
        return self.to_picture(
            **self.model._get_pipe_kwargs([changed]),  # their notebook's way to the pipeline's arguments
            num_inference_steps=self.options.steps,
            image=latents,
            strength=self.options.inversion_strength,
            denoising_start=1.0 - self.options.inversion_strength,
            guidance_scale=1.0,
        ).images[0]

    def inverted(self, job: Job):
        """Latents, and the noise of each step, that give its picture; kept for the other strengths."""
        from main import run as invert

        key = job.picture_key, job.seed
        if key not in self.inversions:
            _, latents, noise, _ = invert(
                job.picture.resize(self.size),
                self.options.caption,
                configuration(self.options, job.seed),
                pipe_inversion=self.to_noise,
                pipe_inference=self.to_picture,
                do_reconstruction=False,
            )
            while len(self.inversions) >= KEPT:
                self.inversions.pop(next(iter(self.inversions)))
            self.inversions[key] = latents, noise
        return self.inversions[key]


def configuration(options: argparse.Namespace, seed: int):
    """ReNoise's, with the values of the notebook: its own, but for a weaker inversion and one lambda."""
    from src.config import RunConfig
    from src.eunms import Model_Type, Scheduler_Type

    return RunConfig(
        model_type=Model_Type.SDXL_Turbo,
        scheduler_type=Scheduler_Type.EULER,
        seed=seed,
        num_inference_steps=options.steps,
        num_inversion_steps=options.steps,
        guidance_scale=0.0,
        inversion_max_step=options.inversion_strength,
        noise_regularization_lambda_kl=0.055,
    )


def read_deltas(dims: dict, options: argparse.Namespace) -> dict:
    """The deltas by target: the repository's, and those of --delta."""
    import torch
    from attribute_control import EmbeddingDelta

    ready = options.repository / "pretrained_deltas"
    paths = {**{target: ready / name for target, name in THEIRS.items()}, **dict(options.delta or ())}
    deltas = {}
    for target, path in paths.items():
        saved = torch.load(str(path), map_location="cpu", weights_only=True)  # no pickle that runs code
        delta = EmbeddingDelta(dims)
        delta.load_state_dict(saved["delta"])
        deltas[target] = delta.to(options.device)
    return deltas


if __name__ == "__main__":
    parser = arguments("AttributeControl", repository="attribute_control/base.py")
    parser.add_argument(
        "--renoise",
        type=checkout("src/eunms.py"),
        required=True,
        help="where ReNoise-Inversion is checked out",
    )
    parser.add_argument(
        "--delta", type=target_file, action="append", help="TARGET=FILE, such as sleepy=person_tired.pt"
    )
    parser.add_argument(
        "--words-of", default="stabilityai/stable-diffusion-xl-base-1.0", help="its text encoders"
    )
    parser.add_argument("--caption", default="a photo of a person", help="what the picture is inverted with")
    parser.add_argument("--subject", default="person", help="the word in it that the delta is added to")
    parser.add_argument("--full-scale", type=real, default=10.0, help="the delta's scale at strength 1")
    parser.add_argument(
        "--inversion-strength", type=real, default=0.8, help="less changes less of the picture"
    )
    parser.add_argument("--steps", type=whole, default=4)
    serve(Editor, parser)
