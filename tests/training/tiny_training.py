"""A tiny Qwen-Image-Edit model, small encoders, and triplets of pictures with faces in known places."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tiny_qwen
import torch
from diffusers import QwenImageEditPlusPipeline
from PIL import Image
from torch import nn
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pixelsmile.editing.components import Components, load_components
from pixelsmile.editing.devices import place
from pixelsmile.editing.folders import ModelOptions
from pixelsmile.editing.prompts import image_only_processor
from pixelsmile.faces.encoders.encoder import Preprocessing
from pixelsmile.faces.encoders.torch_encoder import TorchEncoder
from pixelsmile.faces.face import Face
from pixelsmile.features.encoder import unit_length
from pixelsmile.training.cache import TripletCache
from pixelsmile.training.cache_filling import fill
from pixelsmile.training.networks import Networks
from pixelsmile.training.window import TokenWindow
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet

SIZE, CROP, NUM_FEATURES = 64, 32, 6
# Of one length in tokens: this tokenizer merges few words, and no digits.
PROMPTS = {
    name: f"person show {number} expression"
    for number, name in enumerate(("neutral", "happy", "fear", "surprised"))
}
LANDMARKS = ((22.0, 26.0), (42.0, 26.0), (32.0, 36.0), (24.0, 46.0), (40.0, 46.0))


@cache
def tiny_pipeline() -> QwenImageEditPlusPipeline:
    """Random weights: every number that comes out depends on every part."""
    torch.manual_seed(0)
    tokenizer = tiny_qwen.tokenizer()
    return QwenImageEditPlusPipeline(
        scheduler=tiny_qwen.scheduler(),
        vae=tiny_qwen.vae(),
        text_encoder=tiny_qwen.text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=image_only_processor(Qwen2VLImageProcessorPil(), tokenizer),
        transformer=tiny_qwen.transformer(),
    )


def save_tiny_model(folder: Path) -> Path:
    """The folder, as the stock pipeline writes it."""
    tiny_pipeline().save_pretrained(folder, safe_serialization=True)
    (folder / "pixelsmile.json").write_text('{"size": 64, "condition_size": 64, "steps": 4}')
    return folder


def load_tiny_model(folder: Path) -> Components:
    """Freshly loaded parts, so that a test may change them."""
    return load_components(folder, place("cpu"))


class TinyImageEncoder:
    """A frozen linear map of the pixels."""

    name, sha256 = "tiny", "tiny-1"

    def __init__(self) -> None:
        self.network = nn.Linear(3 * 16 * 16, NUM_FEATURES, bias=False).requires_grad_(False)
        generator = torch.Generator().manual_seed(5)
        self.network.weight.data = torch.randn(self.network.weight.shape, generator=generator)
        self.num_pictures = 0

    def features(self, images: torch.Tensor) -> torch.Tensor:
        self.num_pictures += len(images)
        small = nn.functional.interpolate(images.float(), size=16, mode="area")
        return unit_length(self.network(small.flatten(1)))


def tiny_identity_encoder(seed: int = 6) -> TorchEncoder:
    network = nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 49, 5))
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return TorchEncoder("tiny", Preprocessing(size_px=CROP), network, "cpu")


class TinyDetector:
    """Finds one face in any picture, but none in a black one; counts what it was shown."""

    name = "tiny"

    def __init__(self) -> None:
        self.num_pictures = 0

    def detect(self, image: Image.Image) -> list[Face]:
        self.num_pictures += 1
        if not np.asarray(image).any():
            return []
        return [Face((16.0, 16.0, 48.0, 52.0), np.array(LANDMARKS), 0.9, self.name)]


def make_networks(model: Components, prompts: dict[str, str] = PROMPTS, **changes: Any) -> Networks:
    """All that a cache is filled with, on the tiny model."""
    options: dict[str, Any] = {
        "image_encoder": TinyImageEncoder(),
        "identity_encoder": tiny_identity_encoder(),
        "detector": TinyDetector(),
    }
    options["options"] = ModelOptions(size=SIZE, condition_size=SIZE, prompts=prompts)
    everything: dict[str, Any] = {"folder": Path("tiny"), "placement": place("cpu"), "components": model}
    return Networks(**{**everything, **options, **changes})


def filled(
    folder: Path, triplets: list[Triplet], networks: Networks, window: TokenWindow | None = None
) -> TripletCache:
    """A cache with these in it."""
    cache = TripletCache(folder, SIZE, networks.hashes, window, networks.components.family.patch)
    *_, last = fill(cache, triplets, networks)
    assert last.done == last.total
    return cache


def make_told(folder: Path, *instructions: str) -> list[Triplet]:
    """Triplets with these instructions: of one source, each with a target of its own, the first neutral."""
    source = SourceImage(write_picture(folder / "told.png", 90))
    shows = [("neutral", {}), *[("fear", {"fear": 0.75})] * (len(instructions) - 1)]
    return [
        Triplet(
            source,
            Target(write_picture(folder / f"told{index}.png", 91 + index), *shown, landmarks_5=LANDMARKS),
            instruction=text,
        )
        for index, (text, shown) in enumerate(zip(instructions, shows, strict=True))
    ]


def write_picture(
    path: Path, seed: int, size: tuple[int, int] = (SIZE, SIZE), *, black: bool = False
) -> Path:
    """Smooth colours that follow from the seed."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width] / SIZE
    a, b, c = np.random.default_rng(seed).uniform(1, 6, 3)
    pixels = np.stack([np.sin(a * x), np.cos(b * y), np.sin(c * x * y)], axis=-1) / 2 + 0.5
    Image.fromarray((255 * pixels * (not black)).astype(np.uint8)).save(path)
    return path


def make_triplets(folder: Path, num: int = 2, *, landmarks: bool = True) -> list[Triplet]:
    """Triplets of one source each, fear against surprised."""
    found = []
    for index in range(num):
        source, a, b = (write_picture(folder / f"{index}{kind}.png", 10 * index + place) for place, kind in
                        enumerate("sab"))  # fmt: skip
        points = LANDMARKS if landmarks else None
        found.append(
            Triplet(
                SourceImage(source),
                Target(a, "fear", {"fear": 0.75}, landmarks_5=points),
                Target(b, "surprised", {"surprised": 0.5}, landmarks_5=points),
            )
        )
    return found
