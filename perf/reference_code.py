"""The authors' own code, made to run on a CPU with the libraries of today, and looked at while it trains.

What it cannot do without is put in its place for that time, and each such thing is printed.
"""

import argparse
import json
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from pixelsmile.editing.prompts import PREFIX, image_only_processor

# Of the one face that both sides are told of: what a detector sees is not compared.
FACE_BOX = (16.0, 16.0, 48.0, 52.0)
LANDMARKS = np.array([[22.0, 26.0], [42.0, 26.0], [32.0, 36.0], [24.0, 46.0], [40.0, 46.0]], np.float32)
_TESTS = Path(__file__).parents[1] / "tests"


def commit_of(reference: Path) -> str:
    command = ["git", "-C", str(reference), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "a copy without git, of an unknown commit"


@contextmanager
def their_world(reference: Path) -> Iterator[None]:
    """Their modules can be imported, and run on a CPU with the libraries of today; each change is printed."""
    import datasets  # noqa: F401  # these look for what is installed: before there are stand-ins
    import diffusers
    import peft  # noqa: F401
    from accelerate import Accelerator

    sys.path[:0] = [str(reference / "pixelsmile"), str(_TESTS)]
    with ExitStack() as stack:
        pipeline, transformer = diffusers.QwenImageEditPlusPipeline, diffusers.QwenImageTransformer2DModel
        load, encode, forward = pipeline.from_pretrained, pipeline.encode_prompt, transformer.forward

        def loaded(folder: str, **options: Any) -> Any:
            options["torch_dtype"] = torch.float32
            return _completed(load(folder, **_with_processor(folder, options)))

        def encoded(self: Any, *given: Any, **named: Any) -> Any:
            embeddings, mask = encode(self, *given, **named)
            return embeddings, torch.ones(embeddings.shape[:2], dtype=torch.long) if mask is None else mask

        def forwarded(self: Any, *given: Any, **named: Any) -> Any:
            named.pop("txt_seq_lens", None)
            return forward(self, *given, **named)

        changes = {
            "float32 for bfloat16, so that differences are not rounding": (
                pipeline,
                "from_pretrained",
                loaded,
            ),
            "the mask that diffusers drops where it is all ones": (pipeline, "encode_prompt", encoded),
            "txt_seq_lens, which diffusers takes no more, is left out": (transformer, "forward", forwarded),
            "no trackers": (Accelerator, "init_trackers", lambda *_, **__: None),
        }
        for words, (owner, name, function) in changes.items():
            print(f"changed: {words}")
            stack.enter_context(patch.object(owner, name, function))
        yield


def theirs(name: str) -> Any:
    """A module of theirs, imported beside stand-ins for what is not installed and nothing here calls.

    The detector alone is called: it finds the one face. The stand-ins go again, so that no library takes
    them for the real ones.
    """
    if name in sys.modules:
        return sys.modules[name]
    stand_ins: dict[str, types.ModuleType] = {}
    for dotted, inside in _NOT_HERE.items():
        parts = dotted.split(".")
        if find_spec(parts[0]) is None or inside:
            for end in range(1, len(parts) + 1):
                module = types.ModuleType(".".join(parts[:end]))
                module.__path__, module.__spec__ = [], ModuleSpec(module.__name__, None)
                vars(module).update(inside)
                stand_ins[module.__name__] = module
    print(f"in place of what {name} imports: {', '.join(sorted({one.split('.')[0] for one in stand_ins}))}")
    sys.modules.update(stand_ins)
    try:
        return import_module(name)
    finally:
        for one in stand_ins:
            del sys.modules[one]


class _Detector:
    def prepare(self, **_: Any) -> None: ...

    def detect(self, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.array([[*FACE_BOX, 0.9]], np.float32), LANDMARKS[None]


_NOT_HERE: dict[str, dict[str, Any]] = {
    "torchvision.transforms.functional": {},
    "bitsandbytes": {},
    "insightface.model_zoo": {"model_zoo": types.SimpleNamespace(get_model=lambda *_, **__: _Detector())},
}


def _with_processor(folder: str, options: dict[str, Any]) -> dict[str, Any]:
    """The stock processor wants torchvision for films; ours is the same for pictures."""
    from transformers import AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(folder, subfolder="tokenizer")
    images = Qwen2VLImageProcessorPil.from_pretrained(folder, subfolder="processor")
    return {**options, "tokenizer": tokenizer, "processor": image_only_processor(images, tokenizer)}


def _completed(pipeline: Any) -> Any:
    """What it cannot know of another vocabulary's tokenizer, and the token types (diffusers issue 14194)."""
    pipeline.prompt_template_encode_start_idx = len(pipeline.tokenizer(PREFIX)["input_ids"])
    image_token_id = pipeline.text_encoder.config.image_token_id

    def typed(_: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**named, "mm_token_type_ids": (named["input_ids"] == image_token_id).int()}

    pipeline.text_encoder.register_forward_pre_hook(typed, with_kwargs=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def modes_for_samples() -> Iterator[None]:
    """Their autoencoder gives the mean of its distribution for a sample of it, as ours takes it."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    print("changed: latents are the mean of their distribution, which the reference samples from")
    with patch.object(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode()):
        yield


@dataclass
class TheirStep:
    """What their training did in its first step."""

    adapter: Path
    uniform: Tensor
    predictions: Sequence[Tensor]
    noise: Tensor
    flow: float
    contrastive: float
    identity: float


def run_training(
    folder: Path, triplets: Path, model: Path, clip: Path, arcface: Path, size_px: int
) -> TheirStep:
    """`train.main` for one step on both triplets, looked at while it runs."""
    train, seen = theirs("train"), {}
    drawn, contrast, identity = (
        train.compute_density_for_timestep_sampling,
        train.SymmetricContrastLoss,
        train.calc_id_loss,
    )

    def density(**named: Any) -> Tensor:
        seen["uniform"] = drawn(**named)
        return seen["uniform"]

    def flow(**named: Any) -> Tensor:
        """Theirs reshapes to a shape and -1, which raises at the first step; its mean is taken here."""
        seen.update({name: value.detach() for name, value in named.items()})
        wanted = [(named["noise"] - named[f"target_latents_{i}"]).permute(0, 2, 1, 3, 4) for i in (0, 1)]
        losses = [(named[f"model_pred_{i}"] - wanted[i]).square().mean() for i in (0, 1)]
        mean = (losses[0] + losses[1]) / 2
        seen["flow"] = float(mean.detach())
        return mean

    class Contrast(contrast):  # type: ignore[misc, valid-type]
        def forward(self, *given: Any) -> Tensor:
            value = super().forward(*given)
            seen["contrastive"] = float(value.detach())
            return value

    def identities(*given: Any, **named: Any) -> Tensor:
        value = identity(*given, **named)
        seen["identity"] = float(value.detach())
        return value

    print("changed: the flow loss, which raises at the first step: its mean is taken")
    (folder / "config.yaml").write_text(_config(triplets, model, clip, arcface, size_px))
    with ExitStack() as stack:
        for name, function in (
            ("compute_density_for_timestep_sampling", density),
            ("calc_target_loss", flow),
            ("SymmetricContrastLoss", Contrast),
            ("calc_id_loss", identities),
        ):
            stack.enter_context(patch.object(train, name, function))
        stack.enter_context(modes_for_samples())
        train.main(argparse.Namespace(config=str(folder / "config.yaml")))
    (adapter,) = Path("exps").glob("*/ckpts/final_lora")
    predictions = [seen[f"model_pred_{i}"][:, :, 0] for i in (0, 1)]
    losses = {name: seen[name] for name in ("flow", "contrastive", "identity")}
    return TheirStep(adapter.resolve(), seen["uniform"], predictions, seen["noise"][:, 0], **losses)


def _config(triplets: Path, model: Path, clip: Path, arcface: Path, size_px: int) -> str:
    """Their example with these files, for one step of two triplets."""
    config = {
        "experiment": {"description": "", "method": "score_one_all", "seed": 42},
        "model": {
            "pretrained_path": str(model),
            "clip_path": str(clip),
            "insightface_detector_path": "",
            "insightface_recognition_path": str(arcface),
        },
        "logging": {"checkpointing_steps": 1000, "report_to": None, "tracker_project_name": "x"},
        "dataset": {
            "path": str(triplets),
            "data_type": "human",
            "max_samples": None,
            "num_workers": 0,
            "resize_mode": "crop",
            "use_score_rescale": False,
            "resolution": {"width": size_px, "height": size_px},
        },
        "lora": {"rank": 4, "alpha": 8, "dropout": 0, "target_modules": list(_targets())},
        "training": {
            **{"batch_size": 2, "gradient_accumulation_steps": 1, "num_epochs": 1, "learning_rate": 1e-4},
            **{"lr_scheduler": "cosine", "lr_warmup_steps": 0, "max_grad_norm": 1.0, "mixed_precision": "no"},
            **{"contrast_loss_weight": 1.0, "contrast_loss_mode": "nce", "contrast_loss_symmetric": True},
            "id_loss_weight": 0.1,
            "optimizer": {
                **{"use_8bit_adam": False, "beta1": 0.9, "beta2": 0.999},
                **{"weight_decay": 0.001, "epsilon": 1e-8},
            },
        },
    }
    return json.dumps(config)  # which is YAML


def _targets() -> Sequence[str]:
    """Of their own example."""
    from omegaconf import OmegaConf

    example = Path(sys.modules["train"].__file__ or "").parent / "configs" / "example.yaml"
    return tuple(OmegaConf.load(example).lora.target_modules)
