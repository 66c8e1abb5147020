"""ComfyUI's own Qwen-Image, LoRA loader and sampler against ours, on the embedded weights.

    PYTHONPATH=LIBRARIES python perf/comfyui_core.py COMFYUI        # perf/comfyui_nodes.py check calls it

In ComfyUI's process, without its server: its transformer gets our embedded weights, which have the layout of
Qwen-Image-Edit-2511. Compared are the velocities that it predicts from what the node Interpolate Prompts
gives with those of our sampler, and the weights that its LoRA loader makes of a converted adapter with ours.
The largest differences are printed; exit code 1 where one is above its tolerance.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).parent.parent
TOLERANCE = 1e-4  # of the largest number of each: float32, summed in another order
SIGMA = 0.7
NEUTRAL = "Edit the person to show a neutral expression"
HAPPY, SAD = (NEUTRAL.replace("neutral", name) for name in ("happy", "sad"))
SHORT = "show a happy expression"  # of another length

Case = tuple[tuple[str, ...], tuple[float, ...], str]  # targets, their weights, method
CASES: tuple[Case, ...] = (
    *(((HAPPY,), (strength,), "all") for strength in (0.0, 0.5, 1.0, 1.5)),
    ((HAPPY, SAD), (0.6, 0.4), "all"),
    ((HAPPY,), (1.5,), "velocity"),
    *(((SHORT,), (strength,), "auto") for strength in (0.5, 1.5)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("comfyui", type=Path)
    sys.path[:0] = [str(parser.parse_args().comfyui), str(ROOT)]
    from comfy.cli_args import args

    args.cpu = True  # read when the next modules are imported
    from pixelsmile.embedded import model_path

    adapter = model_path() / "adapters" / "human.safetensors"
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "adapter.safetensors"
        failures = _velocities(CASES) + _weights(adapter, converted)
        failures += _velocities(CASES[-1:], adapter, converted)
    return int(failures > 0)


def _velocities(cases: Sequence[Case], adapter: Path | None = None, converted: Path | None = None) -> int:
    """How many differ. adapter: ours; converted: the same for ComfyUI."""
    from integrations.comfyui.conditionings import interpolated
    from pixelsmile import Editor
    from pixelsmile.editing.adapters.transformer import activate

    engine: Any = Editor.from_pretrained("embedded", adapter=() if adapter is None else str(adapter)).engine
    activate(engine.parts.transformer, engine.info.adapters, "human")
    prompts, reference_BCHW = _encoded(engine)
    noise_BCHW = torch.randn(reference_BCHW.shape, generator=torch.Generator().manual_seed(0))
    model = _comfyui_model(_bare(engine.parts.transformer), converted)
    failures = 0
    for texts, weights, method in cases:
        neutral, *targets = (
            _conditioning(prompts[text], model, reference_BCHW) for text in (NEUTRAL, *texts)
        )
        conditioning = interpolated(neutral, targets, weights, method)
        theirs = _comfyui_velocity(model, conditioning, noise_BCHW)
        ours = _our_velocity(engine, prompts, texts, weights, noise_BCHW, reference_BCHW, method)
        what = "" if adapter is None else ", with the adapter"
        failures += _told(f"velocity, {len(texts)} target(s) at {weights}, {method}{what}", ours, theirs)
    return failures


def _weights(adapter: Path, converted: Path) -> int:
    """In how many formats ComfyUI's loader makes other weights of the adapter than ours.

    converted: where the file of the last format stays.
    """
    from pixelsmile import Editor
    from pixelsmile.editing.adapters.export import export
    from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
    from pixelsmile.editing.adapters.transformer import fitting_updates
    from pixelsmile.editing.adapters.updates import LowRank

    transformer = Editor.from_pretrained("embedded", adapter=()).engine.parts.transformer  # type: ignore[attr-defined]
    file, bare = find_adapter(AdapterSpec(str(adapter))), _bare(transformer)
    wanted = dict(bare)
    for module, update in fitting_updates(transformer, file).items():
        assert isinstance(update, LowRank)
        wanted[f"{module}.weight"] = bare[f"{module}.weight"] + update.B @ update.A
    failures = 0
    for form in ("diffusers", "kohya", "comfyui"):
        converted.write_bytes(export(file, form).weights)
        theirs = _comfyui_model(bare, converted).model.diffusion_model.state_dict()
        changed = [name for name in wanted if not torch.equal(wanted[name], bare[name])]
        ours, got = (torch.cat([state[name].flatten() for name in changed]) for state in (wanted, theirs))
        rest = all(torch.equal(theirs[name], bare[name]) for name in bare.keys() - set(changed))
        failures += _told(f"{len(changed)} weights with the adapter as {form}", ours, got)
        if not rest:
            print(f"{form}: other weights changed, too")
            failures += 1
    return failures


def _comfyui_model(state: Mapping[str, Tensor], adapter: Path | None) -> Any:
    """A patched ModelPatcher with these weights, and an adapter at strength 1 by ComfyUI's own loader."""
    import comfy.model_base
    import comfy.model_patcher
    import comfy.sd
    import comfy.supported_models
    import comfy.utils

    config = comfy.supported_models.QwenImage(
        {
            "image_model": "qwen_image",
            "num_layers": 1 + max(int(name.split(".")[1]) for name in state if ".attn." in name),
            "attention_head_dim": state["transformer_blocks.0.attn.norm_q.weight"].shape[0],
            "num_attention_heads": state["img_in.weight"].shape[0]
            // state["transformer_blocks.0.attn.norm_q.weight"].shape[0],
            "joint_attention_dim": state["txt_norm.weight"].shape[0],
            "axes_dims_rope": (8, 28, 28),
            "default_ref_method": "index_timestep_zero",  # 2511
            "dtype": torch.float32,
        }
    )
    model = comfy.model_base.QwenImage(config, device="cpu")
    missing, unexpected = model.diffusion_model.load_state_dict(dict(state), strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"__index_timestep_zero__"}, missing
    patcher = comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))
    if adapter is not None:
        lora = comfy.utils.load_torch_file(str(adapter), safe_load=True)
        patcher, _ = comfy.sd.load_lora_for_models(patcher, None, lora, 1.0, 0.0)
    patcher.patch_model(device_to=torch.device("cpu"))
    patcher.model.current_patcher = patcher
    return patcher


def _comfyui_velocity(patcher: Any, conditioning: list[list[Any]], noise_BCHW: Tensor) -> Tensor:
    """By its own sampling code: x - sigma v is what it calls denoised."""
    import comfy.sampler_helpers
    import comfy.samplers

    model, x = patcher.model, noise_BCHW[:, :, None]
    conds = comfy.sampler_helpers.convert_cond(conditioning)
    conds = comfy.samplers.encode_model_conds(model.extra_conds, conds, x, x.device, "positive")
    sigma = torch.tensor([SIGMA])
    (denoised,) = comfy.samplers.calc_cond_batch(model, [conds], x, sigma, {})
    return (x - denoised)[:, :, 0] / SIGMA


def _conditioning(prompt: Any, patcher: Any, reference_BCHW: Tensor) -> list[list[Any]]:
    """As ComfyUI's text encode node gives it: the reference as its autoencoder makes it."""
    raw = patcher.model.process_latent_out(reference_BCHW[:, :, None])
    return [[prompt.embedding[None].float(), {"pooled_output": None, "reference_latents": [raw]}]]


def _our_velocity(
    engine: Any,
    prompts: Mapping[str, Any],
    texts: Sequence[str],
    weights: Sequence[float],
    noise_BCHW: Tensor,
    reference_BCHW: Tensor,
    method: str,
) -> Tensor:
    from pixelsmile.editing.conditioning import Aim, TextualInterpolation
    from pixelsmile.editing.flow import FlowSchedule, pack, unpack
    from pixelsmile.editing.sampler import Denoiser

    size = (reference_BCHW.shape[2], reference_BCHW.shape[3])
    aim = Aim(prompts[NEUTRAL], tuple(prompts[text] for text in texts))
    terms = TextualInterpolation().terms(method, aim, weights)
    denoiser = Denoiser(engine.parts.transformer, FlowSchedule(), pack(reference_BCHW), size, 4)
    return unpack(denoiser.velocity(pack(noise_BCHW), torch.tensor(SIGMA), [terms]), *size)


def _encoded(engine: Any) -> tuple[dict[str, Any], Tensor]:
    """The prompts with a drawn portrait, and its latents, normalised."""
    import numpy as np
    from PIL import Image

    from pixelsmile.editing import autoencoder
    from pixelsmile.editing.pictures import to_tensor

    side = engine.info.size
    pixels = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize((side, side))
    texts = [NEUTRAL, HAPPY, SAD, SHORT]
    prompts = engine.encoder.encode(image, texts, torch.device("cpu"))
    latents_BCHW = autoencoder.encode_images(engine.parts.vae, to_tensor(image)).float()
    return dict(zip(texts, prompts, strict=True)), latents_BCHW


def _bare(transformer: Any) -> dict[str, Tensor]:
    """The weights without adapters, by their own names."""
    return {
        name.replace(".base_layer", ""): value.float().clone()
        for name, value in transformer.state_dict().items()
        if ".lora_" not in name
    }


def _told(title: str, ours: Tensor, theirs: Tensor) -> int:
    error = float((ours - theirs).abs().max() / ours.abs().max())
    print(f"{title}: largest difference {error:.1e} of the largest", flush=True)
    return int(not error <= TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
