"""The authors' own entry points beside ours, on a tiny checkpoint of the real layout: do the numbers agree?

    git clone https://github.com/Ammmob/PixelSmile ../PixelSmile
    pip install omegaconf
    python perf/reference.py --reference ../PixelSmile

Their `precompute`, `train` and `infer` run as they are, with random weights, in this process; ours get the
same files. What their code cannot do without is put in its place for that time, and each such thing is
printed: what the libraries of today refuse, what needs a GPU, the face detector and ArcFace. Sizes are an
eighth of the real ones (512 px become 64), so that it takes a minute. Exit code 1 where something differs
that should not.
"""

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from reference_code import (
    FACE_BOX,
    LANDMARKS,
    TheirStep,
    commit_of,
    modes_for_samples,
    run_training,
    their_world,
    theirs,
)
from torch import Tensor

from pixelsmile.editing.adapters.files import AdapterSpec, find_adapter
from pixelsmile.editing.autoencoder import decode_latents, encode_images, normalise
from pixelsmile.editing.components import load_components, quiet_libraries
from pixelsmile.editing.conditioning import interpolate
from pixelsmile.editing.devices import place
from pixelsmile.editing.engine import EditJob, Target
from pixelsmile.editing.engines.jobs import samples_of
from pixelsmile.editing.engines.qwen import QwenEngine
from pixelsmile.editing.flow import add_noise, pack
from pixelsmile.editing.folders import ModelOptions
from pixelsmile.editing.pictures import to_pictures, to_tensor
from pixelsmile.editing.prompts import image_only_processor
from pixelsmile.editing.sampler import BatchDone, sample_latents
from pixelsmile.expressions import neutral_prompt, target_prompt
from pixelsmile.faces.encoders.encoder import PREPROCESSING
from pixelsmile.faces.encoders.insightface import IResNet, IResNetConfig
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Face
from pixelsmile.features.clip import ClipEncoder
from pixelsmile.training.adapter import adapter_bytes, adapter_parameters, add_adapter
from pixelsmile.training.batch import TrainingBatch
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.cache_filling import fill
from pixelsmile.training.config import AdapterSettings, ObjectiveSettings
from pixelsmile.training.networks import Networks
from pixelsmile.training.objective import Objective
from pixelsmile.training.step import LatentDecoder, predicted
from pixelsmile.triplets.triplet import read_triplets

SIZE = 64  # an eighth of 512
OUTPUT = 128  # an eighth of the 1024 that the stock pipeline draws
STEPS = 2
STRENGTHS = (0.0, 0.5, 1.5)
_CLOSE = 1e-4  # of numbers about 1, in float32, summed in another order


@dataclass
class Findings:
    """What was compared. reasons: why something may differ; without one it must not."""

    rows: list[tuple[str, float, float, str]] = field(default_factory=list)

    def add(self, what: str, difference: float, tolerance: float = _CLOSE, reason: str = "") -> None:
        self.rows.append((what, difference, tolerance, reason))
        verdict = "the same" if difference <= tolerance else f"differs: {reason or 'IT SHOULD NOT'}"
        print(f"{what:<58} {difference:10.2e}  {verdict}", flush=True)

    @property
    def are_fine(self) -> bool:
        return all(difference <= tolerance or reason for _, difference, tolerance, reason in self.rows)


def main() -> int:
    """Compare what both compute; exit code 1 where something differs without a reason."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="a clone of the authors' repository")
    arguments = parser.parse_args()
    reference = arguments.reference.resolve()
    if not (reference / "pixelsmile" / "precompute.py").is_file():
        parser.error(
            f"{arguments.reference} is no clone of Ammmob/PixelSmile: it has no pixelsmile/precompute.py"
        )
    if find_spec("omegaconf") is None:
        parser.error("the reference reads its configuration with omegaconf: pip install omegaconf")
    print(f"reference: {commit_of(reference)}")
    findings, start = Findings(), Path.cwd()
    with tempfile.TemporaryDirectory() as scratch, quiet_libraries(), their_world(reference):
        os.chdir(scratch)  # their training writes into the folder it is called from
        try:
            compare(Path(scratch), findings)
        finally:
            os.chdir(start)
    return 0 if findings.are_fine else 1


def compare(folder: Path, findings: Findings) -> None:
    """All of it, on a model and triplets that are made here."""
    model, triplets = save_model(folder / "model"), save_triplets(folder)
    clip, arcface = save_clip(folder / "clip"), save_arcface(folder / "arcface.pth")
    ours = our_networks(model, clip, arcface)
    cache = TripletCache(folder / "cache", SIZE, ours.hashes)
    lines = read_triplets(triplets)
    for _ in fill(cache, lines, ours):
        pass
    batch = cache.batch(lines)
    with torch.no_grad():
        compare_precomputed(folder, triplets, model, batch, findings)
    seen = run_training(folder, triplets, model, clip, arcface, SIZE)
    compare_losses(seen, ours, batch, findings)
    compare_layers(seen.adapter, ours, findings)
    with torch.no_grad():
        compare_pictures(folder, model, save_adapter(folder / "adapter.safetensors", model), findings)


# What is made for the comparison


def save_model(folder: Path) -> Path:
    """The tiny checkpoint of the tests, as the stock pipeline writes it, without a word of ours beside it."""
    import tiny_qwen
    from diffusers import QwenImageEditPlusPipeline
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    torch.manual_seed(0)
    tokenizer = tiny_qwen.tokenizer()
    pipeline = QwenImageEditPlusPipeline(
        scheduler=tiny_qwen.scheduler(),
        vae=tiny_qwen.vae(),
        text_encoder=tiny_qwen.text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=image_only_processor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=tiny_qwen.transformer(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_triplets(folder: Path) -> Path:
    """Two lines in their format: a tall body with boxes, and a square portrait without."""
    lines = []
    for number, (width, height) in enumerate(((SIZE + 9, 3 * SIZE), (2 * SIZE, 2 * SIZE))):
        boxes = [{"boxes": [12.0, 20.0 + 40 * index, 60.0, 70.0 + 40 * index]} for index in range(3)]
        pictures = []
        for index in range(3):
            y, x = np.mgrid[0:height, 0:width] / SIZE
            a, b, c = np.random.default_rng(10 * number + index).uniform(1, 6, 3)
            pixels = np.stack([np.sin(a * x), np.cos(b * y), np.sin(c * x * y)], axis=-1) / 2 + 0.5
            path = folder / f"{number}-{index}.png"
            Image.fromarray((255 * pixels).astype(np.uint8)).save(path)
            pictures.append({"image": str(path), **(boxes[index] if number == 0 else {})})
        expressions = (("happy", 0.75), ("sad", 0.5))
        targets = [
            {**picture, "category": name, "scores": {name: score}}
            for picture, (name, score) in zip(pictures[1:], expressions, strict=True)
        ]
        lines.append(json.dumps({"src": pictures[0], "dst": targets}))
    path = folder / "triplets.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def save_clip(folder: Path) -> Path:
    """A small CLIP vision tower with the published preparation of pictures."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(1)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=32,
        image_size=224,
    )
    CLIPVisionModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size=224).save_pretrained(folder)
    return folder


def save_arcface(path: Path) -> Path:
    """A small IResNet as a pickled module, which is what their identity loss loads."""
    torch.manual_seed(2)
    shape = IResNetConfig(layers=(1, 1, 1, 1), widths=(4, 6, 8, 10), stem_width=4, num_features=16)
    torch.save(IResNet(shape, 112).eval(), path)
    return path


def save_adapter(path: Path, model: Path) -> Path:
    """A random adapter, strong enough that it shows, as our training writes it."""
    settings = AdapterSettings(rank=4, lora_alpha=8.0)
    transformer = load_components(model, place("cpu", "float32")).transformer
    add_adapter(transformer, settings, 0)
    generator = torch.Generator().manual_seed(1)
    for parameter in adapter_parameters(transformer).values():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    path.write_bytes(adapter_bytes(adapter_parameters(transformer), settings))
    return path


def our_networks(model: Path, clip: Path, arcface: Path) -> Networks:
    network = torch.load(arcface, weights_only=False)  # written by this very process
    return Networks(
        folder=model,
        options=ModelOptions(size=SIZE),
        placement=place("cpu", "float32"),
        components=load_components(model, place("cpu", "float32")),
        image_encoder=ClipEncoder.from_pretrained(clip, device="cpu"),
        identity_encoder=TorchEncoder("arcface", PREPROCESSING["arcface"], network, "cpu"),
        detector=_OneFace(),
    )


class _OneFace:
    """Finds the same face in every picture, for both sides: what a detector sees is not compared here."""

    name = "one face"

    def detect(self, image: Any) -> Any:
        return [Face(FACE_BOX, LANDMARKS.astype(np.float64), 0.9, self.name)]


# The comparisons


def compare_precomputed(
    folder: Path, triplets: Path, model: Path, batch: TrainingBatch, findings: Findings
) -> None:
    """Their cache beside ours: what the transformer is conditioned on, and the latents of the crops."""
    from accelerate import Accelerator
    from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline

    lines = [json.loads(line) for line in triplets.read_text().splitlines()]
    pipeline = QwenImageEditPlusPipeline.from_pretrained(str(model), transformer=None, vae=None)
    vae = AutoencoderKLQwenImage.from_pretrained(str(model), subfolder="vae")
    (folder / "theirs").mkdir()
    settings = {"data_type": "human", "method": "score_one_all", "width": SIZE, "height": SIZE}
    with modes_for_samples():
        theirs("precompute").pre_compute_embeddings(
            lines,
            pipeline,
            vae,
            Accelerator(cpu=True),
            str(folder / "theirs"),
            **settings,
            resize_mode="crop",
        )
    samples = [torch.load(folder / "theirs" / f"sample_{number}.pt") for number in range(len(lines))]
    conditions_RTE, _ = batch.conditions()
    for branch, rows in enumerate(conditions_RTE.chunk(2)):
        found = torch.stack([sample[f"prompt_embeds_{branch}"] for sample in samples])
        findings.add(f"conditioning of target {'ab'[branch]}", _largest(found, rows))
    names = {"control_latents": batch.source.chunk(2)[0]}
    names |= {f"target_latents_{branch}": rows for branch, rows in enumerate(batch.targets.chunk(2))}
    for name, ours in names.items():
        raw = torch.stack([sample[name][:, 0] for sample in samples])
        difference = _largest(pack(normalise(vae, raw.float())), ours)
        findings.add(f"{name.replace('_', ' ')}, cut around boxes", difference)


def compare_losses(seen: TheirStep, ours: Networks, batch: TrainingBatch, findings: Findings) -> None:
    """Our step with their noise and noise levels: predictions, losses. Their order of triplets is found."""
    transformer = ours.components.transformer
    sigmas_B = 1.0 - (seen.uniform * 1000).long() / 1000  # their timesteps are a table from 1000 down to 1
    noise_BND = pack(seen.noise)
    num_triplets = len(sigmas_B)
    found = None
    for order in (list(range(num_triplets)), list(reversed(range(num_triplets)))):
        rows = torch.tensor([*order, *(row + num_triplets for row in order)])
        picked = batch.rows(rows)
        with torch.no_grad():
            velocities_RND = _velocities(transformer, picked, noise_BND, sigmas_B)
        theirs_RND = torch.cat([pack(prediction) for prediction in seen.predictions])
        difference = _largest(theirs_RND, velocities_RND)
        if found is None or difference < found[0]:
            found = difference, picked, velocities_RND
    assert found is not None
    difference, picked, velocities_RND = found
    findings.add("predicted velocities of the first step", difference)
    decode = LatentDecoder(ours.components.vae, batch.grid)
    objective = Objective(ObjectiveSettings(), decode, ours.image_encoder, ours.identity_encoder)
    with torch.no_grad():
        losses = objective.losses(picked, velocities_RND, noise_BND, sigmas_B)
    findings.add("flow-matching loss", abs(float(losses["flow"]) - seen.flow))
    findings.add(
        "contrastive loss",
        abs(float(losses["contrastive"]) - seen.contrastive),
        reason="theirs: squeezed to 224 px bilinearly, CLIP in float16; ours: as CLIP's processor prepares",
    )
    findings.add(
        "identity loss",
        abs(float(losses["identity"]) - seen.identity),
        reason="theirs: ArcFace in bfloat16, bicubic crops, the first triplet's noise level counts for all",
    )


def _velocities(transformer: Any, batch: TrainingBatch, noise_BND: Tensor, sigmas_B: Tensor) -> Tensor:
    noise_RND, sigmas_R = noise_BND.repeat(2, 1, 1), sigmas_B.repeat(2)
    noisy_RND = add_noise(batch.targets, noise_RND, sigmas_R)
    return predicted(transformer, batch, noisy_RND, sigmas_R, batch.conditions(), torch.float32)


def compare_layers(adapter: Path, ours: Networks, findings: Findings) -> None:
    """The layers of the adapter that their training wrote and of ours by default; what stock loads of it."""
    written = set(find_adapter(AdapterSpec(str(adapter))).contents.layers)
    transformer = load_components(ours.folder, place("cpu", "float32")).transformer
    add_adapter(transformer, AdapterSettings(rank=4), 0)
    names = {name.rpartition(".lora_")[0] for name in adapter_parameters(transformer)}
    mine = {name.removeprefix("transformer.") for name in names}
    findings.add("layers of the adapter that differ", float(len(written ^ mine)), 0)
    pipeline = theirs("infer").load_pipe(str(ours.folder), str(adapter), torch.device("cpu"))
    taken = {
        name.rpartition(".lora_A")[0]
        for name, _ in pipeline.transformer.named_modules()
        if ".lora_A." in name
    }
    findings.add(
        "layers of their adapter that stock loading leaves out",
        float(len(written - taken)),
        0,
        reason="their saver writes some under older names; ours reads both",
    )


def compare_pictures(folder: Path, model: Path, adapter: Path, findings: Findings) -> None:
    """`infer.main` beside our sampler: with the source as they show it, at the size that they draw."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as stock

    infer, calculate, factor = theirs("infer"), stock.calculate_dimensions, (OUTPUT / 1024) ** 2
    source = folder / "1-0.png"
    paths = {"image-path": source, "output-dir": folder / "edits", "model-path": model, "lora-path": adapter}
    given = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    words = ["infer", "--expression", "happy", *given, "--scales", *map(str, STRENGTHS)]
    saved: list[Image.Image] = []
    with ExitStack() as stack:
        for name, value in (("DEFAULT_WIDTH", SIZE), ("DEFAULT_HEIGHT", SIZE), ("DEFAULT_INF_STEPS", STEPS)):
            stack.enter_context(patch.object(infer, name, value))
        stack.enter_context(patch.object(sys, "argv", words))
        smaller = lambda area, ratio: calculate(area * factor, ratio)  # noqa: E731
        stack.enter_context(patch.object(stock, "calculate_dimensions", smaller))
        edit = infer.run_edit

        def kept(**named: Any) -> Image.Image:
            saved.append(edit(**named))
            return saved[-1]

        stack.enter_context(patch.object(infer, "run_edit", kept))
        infer.main()
    ours = our_pictures(model, adapter, infer.resize(Image.open(source).convert("RGB"), (SIZE, SIZE), "crop"))
    for strength, drawn, mine in zip(STRENGTHS, saved, ours, strict=True):
        levels = np.abs(np.asarray(drawn, int) - np.asarray(mine, int)).max()
        findings.add(f"levels of 255 between the pictures at strength {strength:g}", float(levels), 1)


def our_pictures(model: Path, adapter: Path, source: Image.Image) -> list[Image.Image]:
    """The text encoder sees the source as it is, the transformer sees and draws it at their output size."""
    engine = QwenEngine.load(str(model), [AdapterSpec(str(adapter))], place("cpu", "float32"))
    texts = [neutral_prompt("human"), target_prompt("happy", "human")]
    encoded = engine.encoder.encode(source, texts, torch.device("cpu"))
    large = source.resize((OUTPUT, OUTPUT), Image.Resampling.LANCZOS)
    targets = (Target((texts[1],), tuple((strength,) for strength in STRENGTHS)),)
    job = EditJob(large, texts[0], targets, seed=42, num_steps=STEPS)
    samples, shown, _ = samples_of(job, dict(zip(texts, encoded, strict=True)), engine._control)
    assert torch.equal(samples[0].terms[0].embedding, interpolate(encoded[0].embedding, [], []))
    denoiser = engine._denoiser(job, encode_images(engine.parts.vae, to_tensor(large)))
    events = sample_latents(denoiser, samples, STEPS)
    latents = torch.cat([event.latents for event in events if isinstance(event, BatchDone)])
    pictures = to_pictures(decode_latents(engine.parts.vae, latents, clamp=False))
    return [pictures[number] for number in shown[0]]


def _largest(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).abs().max())


if __name__ == "__main__":
    sys.exit(main())
