"""K-Slider, Kontinuous Kontext (snap-research/kontinuouskontext), as one of pixelsmile's editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from protocol import Edit, Job, RefusedError, arguments, folder, serve, whole


def load(options: argparse.Namespace) -> Edit:
    """What the repository's test_ksliders.py loads and calls."""
    import torch
    from model.sliders_model import SliderProjector
    from model.sliders_pipeline import FluxKontextSliderPipeline
    from model.transformer_flux import FluxTransformer2DModelwithSliderConditioning

    transformer = FluxTransformer2DModelwithSliderConditioning.from_pretrained(
        options.base, subfolder="transformer"
    )
    transformer.eval()
    projector = SliderProjector(out_dim=6144, pe_dim=2, n_layers=4, is_clip_input=True)
    weights = torch.load(
        str(options.weights / "slider_projector.pth"), map_location="cpu", weights_only=True
    )  # never a pickle that runs code
    projector.load_state_dict(weights)
    projector.eval()
    pipeline = FluxKontextSliderPipeline.from_pretrained(
        options.base, transformer=transformer, slider_projector=projector, torch_dtype=transformer.dtype
    )
    pipeline.load_lora_weights(str(options.weights))
    pipeline.to(options.device)
    size = {} if options.side is None else {"height": options.side, "width": options.side}

    def edit(job: Job):
        if job.strength > 1:
            raise RefusedError(
                f"K-Slider was trained on strengths up to 1, and was asked for {job.strength:g}"
            )
        if job.strength == 0:  # its own sweeps begin with the source, and the next is 1/n
            return job.picture
        with torch.no_grad():
            embeddings, pooled, _ = pipeline.encode_prompt(job.prompt, prompt_2=job.prompt)
            made = pipeline(
                image=job.picture,
                num_inference_steps=options.steps,
                prompt_embeds=embeddings,
                pooled_prompt_embeds=pooled,
                generator=torch.Generator().manual_seed(job.seed),
                text_condn=False,
                modulation_condn=True,
                slider_value=torch.tensor(job.strength).reshape(1, 1),
                is_clip_input=True,
                **size,
            ).images[0]
        return made.resize(job.picture.size)  # it edits a square, and gives it the source's size again

    return edit


if __name__ == "__main__":
    parser = arguments("K-Slider", repository="model/sliders_pipeline.py")
    parser.add_argument("--weights", type=folder, required=True, help="slider_projector.pth and the LoRA")
    parser.add_argument(
        "--base", default="black-forest-labs/FLUX.1-Kontext-dev", help="a folder, or an id of the hub"
    )
    parser.add_argument("--steps", type=whole, default=14, help="14 in the repository's test, 28 in its demo")
    parser.add_argument(
        "--side", type=whole, help="of the square that is edited: 1024 in its test, 512 in training"
    )
    serve(load, parser)
