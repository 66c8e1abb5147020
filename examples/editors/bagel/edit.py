"""BAGEL (ByteDance-Seed/Bagel), its InterleaveInferencer, as one of pixelsmile's editors."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from protocol import Edit, Job, arguments, folder, full, real, serve, whole

# Must lie where the embedding of the words lies: the repository's app.py.
TOGETHER = (
    "language_model.model.embed_tokens",
    "time_embedder",
    "latent_pos_embed",
    "vae2llm",
    "llm2vae",
    "connector",
    "vit_pos_embed",
)


def load(options: argparse.Namespace) -> Edit:
    """Edits as the editing page of the repository's app.py does, where no option says otherwise."""
    import numpy
    import torch
    from data.data_utils import add_special_tokens
    from data.transforms import ImageTransform
    from inferencer import InterleaveInferencer
    from modeling.autoencoder import load_ae
    from modeling.qwen2 import Qwen2Tokenizer

    weights = options.model_path
    autoencoder, autoencoder_config = load_ae(local_path=str(weights / "ae.safetensors"))
    tokenizer, new_token_ids, _ = add_special_tokens(Qwen2Tokenizer.from_pretrained(str(weights)))
    inferencer = InterleaveInferencer(
        model=filled(empty(weights, autoencoder_config), weights),
        vae_model=autoencoder,
        tokenizer=tokenizer,
        vae_transform=ImageTransform(1024, 512, 16),
        vit_transform=ImageTransform(980, 224, 14),
        new_token_ids=new_token_ids,
    )

    def edit(job: Job):
        prompt = full(job)
        random.seed(job.seed)
        numpy.random.seed(job.seed % 2**32)
        torch.manual_seed(job.seed)  # on all devices
        return inferencer(
            image=job.picture,
            text=prompt,
            think=options.think,
            max_think_token_n=1024,
            do_sample=False,
            cfg_text_scale=options.cfg_text,
            cfg_img_scale=options.cfg_image,
            cfg_interval=[options.cfg_from, 1.0],
            timestep_shift=options.shift,
            num_timesteps=options.steps,
            cfg_renorm_min=0.0,
            cfg_renorm_type=options.renorm,
        )["image"]

    return edit


def empty(weights: Path, autoencoder_config: object):
    """The model without its weights."""
    from accelerate import init_empty_weights
    from modeling.bagel import (
        Bagel,
        BagelConfig,
        Qwen2Config,
        Qwen2ForCausalLM,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    words = Qwen2Config.from_json_file(str(weights / "llm_config.json"))
    words.qk_norm = True
    words.tie_word_embeddings = False
    words.layer_module = "Qwen2MoTDecoderLayer"
    sight = SiglipVisionConfig.from_json_file(str(weights / "vit_config.json"))
    sight.rope = False
    sight.num_hidden_layers -= 1
    config = BagelConfig(
        visual_gen=True,
        visual_und=True,
        llm_config=words,
        vit_config=sight,
        vae_config=autoencoder_config,
        vit_max_num_patch_per_side=70,
        connector_act="gelu_pytorch_tanh",
        latent_patch_size=2,
        max_latent_size=64,
    )
    with init_empty_weights():
        model = Bagel(Qwen2ForCausalLM(words), SiglipVisionModel(sight), config)
        model.vit_model.vision_model.embeddings.convert_conv2d_to_linear(sight, meta=True)
    return model


def filled(model, weights: Path):
    """The model with its weights, spread over all cards that are there."""
    import torch
    from accelerate import infer_auto_device_map, load_checkpoint_and_dispatch

    cards = torch.cuda.device_count()
    if not cards:
        raise RuntimeError("BAGEL runs on CUDA alone, and there is no card")
    places = infer_auto_device_map(
        model,
        max_memory={card: "80GiB" for card in range(cards)},
        no_split_module_classes=["Bagel", "Qwen2MoTDecoderLayer"],
    )
    first = places.get(TOGETHER[0], "cuda:0")
    for name in TOGETHER:
        if name in places:
            places[name] = first
        elif cards == 1:
            places[name] = "cuda:0"
    return load_checkpoint_and_dispatch(
        model,
        checkpoint=str(weights / "ema.safetensors"),
        device_map=places,
        offload_buffers=True,
        dtype=torch.bfloat16,
        force_hooks=True,
    ).eval()


if __name__ == "__main__":
    parser = arguments("BAGEL", repository="inferencer.py")
    parser.add_argument("--model-path", type=folder, required=True, help="the folder of BAGEL-7B-MoT")
    parser.add_argument("--steps", type=whole, default=50)
    parser.add_argument("--cfg-text", type=real, default=4.0)
    parser.add_argument("--cfg-image", type=real, default=2.0)
    parser.add_argument("--cfg-from", type=real, default=0.0, help="guide from that share of the steps on")
    parser.add_argument("--shift", type=real, default=3.0)
    parser.add_argument("--renorm", default="text_channel", choices=("global", "channel", "text_channel"))
    parser.add_argument("--think", action="store_true", help="let it write about the edit before it makes it")
    serve(load, parser)
