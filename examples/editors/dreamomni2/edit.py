"""DreamOmni2 (dvlab-research/DreamOmni2), with the model that writes its prompts, as a pixelsmile editor."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from PIL import Image
from protocol import Job, arguments, folder, full, real, serve, whole


class Editor:
    """What the repository's inference_edit.py does; that is a script, which edits one picture and ends."""

    def __init__(self, options: argparse.Namespace) -> None:
        import torch
        from dreamomni2.pipeline_dreamomni2 import DreamOmni2Pipeline
        from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

        self.options = options
        self.pipeline = DreamOmni2Pipeline.from_pretrained(options.base, torch_dtype=torch.bfloat16)
        self.pipeline.to(options.device)
        self.pipeline.load_lora_weights(str(options.models / "edit_lora"), adapter_name="edit")
        self.pipeline.set_adapters(["edit"], adapter_weights=[1])
        writer = str(options.models / "vlm-model")
        self.writer = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            writer, torch_dtype="bfloat16", device_map=options.device
        )
        self.processor = AutoProcessor.from_pretrained(writer)

    def __call__(self, job: Job) -> Image.Image:
        import torch
        from utils.vprocess import resizeinput

        picture = resizeinput(job.picture)
        return self.pipeline(
            images=[picture],
            height=picture.height,
            width=picture.width,
            prompt=self.rewritten(job.picture, full(job)),
            num_inference_steps=self.options.steps,
            guidance_scale=self.options.guidance,
            generator=torch.Generator(device=self.options.device).manual_seed(job.seed),
        ).images[0]

    def rewritten(self, picture: Image.Image, prompt: str) -> str:
        """What the model that sees the picture makes of the instruction."""
        from utils.vprocess import process_vision_info

        asked = [
            {"type": "image", "image": picture},
            {"type": "text", "text": f"{prompt} It is editing task."},
        ]
        messages = [{"role": "user", "content": asked}]
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        images, videos = process_vision_info(messages)
        inputs = self.processor(text=[text], images=images, videos=videos, padding=True, return_tensors="pt")
        inputs = inputs.to(self.options.device)
        tokens = self.writer.generate(**inputs, do_sample=False, max_new_tokens=4096)
        answers = self.processor.batch_decode(
            [tokens[0][len(inputs.input_ids[0]) :]],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return inner(answers[0])


def inner(answer: str) -> str:
    """What stands between the tags that the model puts around its prompt. ValueError where there are none."""
    found = re.fullmatch(r"<(\w+)>(.+)</\1>", answer.strip(), flags=re.DOTALL)
    if found is None:
        raise ValueError(f"the model wrote no prompt between tags, but {answer[:80]!r}")
    return found[2].strip()


if __name__ == "__main__":
    parser = arguments("DreamOmni2", repository="dreamomni2/pipeline_dreamomni2.py")
    parser.add_argument("--models", type=folder, required=True, help="its weights: edit_lora and vlm-model")
    parser.add_argument(
        "--base", default="black-forest-labs/FLUX.1-Kontext-dev", help="a folder, or an id of the hub"
    )
    parser.add_argument("--steps", type=whole, default=30)
    parser.add_argument("--guidance", type=real, default=3.5)
    serve(Editor, parser)
