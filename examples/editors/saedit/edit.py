"""SAEdit (ronen94/SAEdit), its callback on FLUX.1-dev, as a pixelsmile editor.

It makes pictures of words: the source is never seen, and who stands in the pictures is somebody else.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from PIL import Image
from protocol import Job, RefusedError, arguments, file, real, serve

THEIRS = {"happy": "smiling_man", "surprised": "surprised_woman", "fear": "terrified_child"}
# For the other expressions, pairs as theirs are: this word where theirs about the man says "smiling".
OURS = {
    "angry": "angry",
    "confused": "confused",
    "contempt": "contemptuous",
    "confident": "confident",
    "disgust": "disgusted",
    "sad": "sad",
    "shy": "embarrassed",
    "sleepy": "sleepy",
    "anxious": "anxious",
}
STEPS = 40  # its interpolation factors are that many
MAX_TOKENS = 256


class Editor:
    """What the repository's examples/flux_dev_example.py loads and calls."""

    def __init__(self, options: argparse.Namespace) -> None:
        import torch
        from diffusers import FluxPipeline
        from src.models.matryoshka_sae import GlobalBatchTopKMatryoshkaSAE

        self.options = options
        self.described = described_sources(options)
        self.pipeline = FluxPipeline.from_pretrained(options.base, torch_dtype=torch.bfloat16)
        self.pipeline.enable_model_cpu_offload()
        self.autoencoder = GlobalBatchTopKMatryoshkaSAE.from_pretrained(options.sae, device=options.device)
        self.callbacks = {}

    def __call__(self, job: Job) -> Image.Image:
        import torch

        prompt, token = self.described.get(job.source, (self.options.prompt, self.options.token))
        callback = self.callback(job.target, prompt, token)
        callback.interpolation_factors = callback.calculate_factor(self.options.full_factor * job.strength)
        callback.cache.clear()  # the autoencoder keeps the scale of what it has seen last
        return self.pipeline(
            prompt=prompt,
            guidance_scale=3.5,
            height=1024,
            width=1024,
            num_inference_steps=STEPS,
            max_sequence_length=MAX_TOKENS,
            generator=torch.Generator(device=self.options.device).manual_seed(job.seed),
            callback_on_step_end=callback,
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        ).images[0]

    def callback(self, target: str, prompt: str, token: str):
        """What moves the prompt's token; kept, for to find the direction of an expression takes seconds."""
        from src.saedit import SAEditCallback

        key = target, prompt, token
        if key not in self.callbacks:
            made = SAEditCallback(
                pipeline=self.pipeline,
                sae=self.autoencoder,
                source_tokens_to_edit=[token],
                factor=0.0,
                sentence_pairs=pairs(self.options.repository / "src" / "variations", target),
                prompt=prompt,
                max_sequence_length=MAX_TOKENS,
            )
            if not made.get_idx_to_edit(prompt)[0]:
                raise ValueError(f"{token!r} is more than one token of T5: take a plainer word")
            self.callbacks[key] = made
        return self.callbacks[key]


def pairs(variations: Path, target: str) -> list[list[str]]:
    """Sentences without and with the expression. RefusedError where there are none for it."""
    import yaml

    if target not in THEIRS and target not in OURS:
        raise RefusedError(f"SAEdit has no direction for {target!r}")
    path = variations / f"{THEIRS.get(target, 'smiling_man')}.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))["sentence_pairs"]
    if target in THEIRS:
        return found
    word = OURS[target]
    article = "an" if word[0] in "aeiou" else "a"
    return [[plain, smiling.replace("a smiling", f"{article} {word}")] for plain, smiling in found]


def described_sources(options: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """Prompt and token by the source's name; ValueError where the token does not stand in the prompt."""
    described = {}
    if options.prompts is not None:
        for source, (prompt, token) in json.loads(options.prompts.read_text(encoding="utf-8")).items():
            described[source] = prompt, token
    for prompt, token in [*described.values(), (options.prompt, options.token)]:
        if token not in prompt.split():
            raise ValueError(f"{token!r} is no word of the prompt {prompt!r}")
    return described


if __name__ == "__main__":
    parser = arguments("SAEdit", repository="src/saedit.py")
    parser.add_argument(
        "--base", default="black-forest-labs/FLUX.1-dev", help="a folder, or an id of the hub"
    )
    parser.add_argument("--sae", default="Ronenk94/T5_matryoshka_sae", help="a folder, or an id of the hub")
    parser.add_argument("--prompt", default="a portrait of a person", help="what is drawn")
    parser.add_argument("--token", default="person", help="the word in it that the expression is given to")
    parser.add_argument(
        "--prompts", type=file, help='JSON, by source: {"0007": ["a portrait of an old woman", "woman"]}'
    )
    parser.add_argument("--full-factor", type=real, default=0.8, help="its factor at strength 1")
    serve(Editor, parser)
