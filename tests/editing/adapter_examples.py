"""A small random adapter in every format, and what it should add to each weight by the format's own formula.

The formulas are computed in float64, from the numbers that stand in the file. Used by the tests, and by
perf/adapter_formats.py, which prints the errors.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import QwenImageTransformer2DModel
from safetensors.torch import save_file
from torch import Tensor, nn

MODULES = (
    "transformer_blocks.0.attn.to_q",
    "transformer_blocks.0.attn.to_out.0",
    "transformer_blocks.0.attn.add_k_proj",
    "transformer_blocks.1.img_mod.1",
    "transformer_blocks.1.txt_mlp.net.2",
)
RANK = 3
ALPHA = 5.0


@dataclass
class Example:
    """An adapter as files, and what it does: `delta` to weights, `bias` to what comes out, by module."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    config: dict[str, object] | None = None
    delta: dict[str, Tensor] = field(default_factory=dict)
    bias: dict[str, Tensor] = field(default_factory=dict)

    def save(self, folder: Path, name: str = "adapter_model.safetensors") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.tensors, folder / name, self.metadata or None)
        if self.config is not None:
            (folder / "adapter_config.json").write_text(json.dumps(self.config))
        return folder / name


def tiny_transformer() -> QwenImageTransformer2DModel:
    torch.manual_seed(0)
    return QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    ).eval()


class Numbers:
    """Random matrices; what a file keeps of them in its format is what the formulas are given."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self._generator = torch.Generator().manual_seed(5)
        self._dtype = dtype

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator).to(self._dtype)


def lora(
    transformer: nn.Module,
    names: tuple[str, str] = ("lora_A", "lora_B"),
    prefix: str = "transformer.",
    dtype: torch.dtype = torch.float32,
    scaling: float = 1.0,
    flat: bool = False,
    rank: int = RANK,
) -> Example:
    """W + scaling B A."""
    example, numbers = Example(), Numbers(dtype)
    for module in MODULES:
        layer = transformer.get_submodule(module)
        A, B = numbers(rank, layer.in_features), numbers(layer.out_features, rank)
        name = prefix + (module.replace(".", "_") if flat else module)
        example.tensors |= {f"{name}.{names[0]}.weight": A, f"{name}.{names[1]}.weight": B}
        example.delta[module] = scaling * B.double() @ A.double()
    return example


def with_alpha(example: Example, dtype: torch.dtype = torch.float32) -> Example:
    names = {
        name.rsplit(".lora", 1)[0].rsplit(".hada", 1)[0].rsplit(".lokr", 1)[0] for name in example.tensors
    }
    example.tensors |= {f"{name}.alpha": torch.tensor(ALPHA).to(dtype) for name in sorted(names)}
    return example


def diffusers_now(transformer: nn.Module) -> Example:
    example = lora(transformer, scaling=ALPHA / RANK)
    config = {"transformer.r": RANK, "transformer.lora_alpha": ALPHA, "text_encoder.lora_alpha": 1}
    example.metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(config)}
    return example


def reference(transformer: nn.Module) -> Example:
    """As the reference's saver does it: some layers under the older names of diffusers."""
    example = lora(transformer)
    renamed = {}
    for name, tensor in example.tensors.items():
        if ".to_q." in name or ".to_out.0." in name:
            name = name.replace("lora_A", "lora.down").replace("lora_B", "lora.up")
        renamed[name] = tensor
    example.tensors = renamed
    return example


def peft_patterns(transformer: nn.Module) -> Example:
    example = lora(transformer, prefix="base_model.model.")
    example.config = {
        "peft_type": "LORA",
        "r": RANK,
        "lora_alpha": ALPHA,
        "use_rslora": True,
        "alpha_pattern": {r".*\.attn\.to_(q|k)": 2, "img_mod.1": 7.5},
    }
    alphas = {MODULES[0]: 2, MODULES[3]: 7.5}
    example.delta = {
        module: alphas.get(module, ALPHA) / math.sqrt(RANK) * delta for module, delta in example.delta.items()
    }
    return example


def peft_named_bias(transformer: nn.Module) -> Example:
    example = lora(transformer, ("lora_A.mine", "lora_B.mine"), "base_model.model.", scaling=ALPHA / RANK)
    example.config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "lora_bias": True}
    numbers = Numbers()
    for module in MODULES[:2]:
        bias = numbers(transformer.get_submodule(module).out_features)
        example.tensors[f"base_model.model.{module}.lora_B.mine.bias"] = bias
        example.bias[module] = ALPHA / RANK * bias.double()
    return example


def dora(transformer: nn.Module, kohya: bool = False) -> Example:
    """magnitude (W + s B A) / |W + s B A|, the norm over each row."""
    if kohya:
        example = with_alpha(lora(transformer, ("lora_down", "lora_up"), "lora_unet_", flat=True))
    else:
        example = lora(transformer, prefix="base_model.model.")
        example.config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "use_dora": True}
    numbers = Numbers()
    for module in MODULES:
        weight = transformer.get_submodule(module).weight.double()
        magnitude = numbers(weight.shape[0]).abs() + 0.1
        changed = weight + ALPHA / RANK * example.delta[module]
        example.delta[module] = (
            magnitude.double()[:, None] * changed / changed.norm(dim=1, keepdim=True) - weight
        ).detach()
        if kohya:
            example.tensors[f"lora_unet_{module.replace('.', '_')}.dora_scale"] = magnitude[:, None]
        else:
            example.tensors[f"base_model.model.{module}.lora_magnitude_vector"] = magnitude
    return example


def loha(transformer: nn.Module, rank: int = RANK) -> Example:
    """W + alpha / rank (a b) * (c d), element by element."""
    example, numbers = Example(), Numbers()
    for module in MODULES:
        layer = transformer.get_submodule(module)
        name = f"lycoris_{module.replace('.', '_')}"
        parts = {}
        for number in (1, 2):
            parts[f"hada_w{number}_a"] = numbers(layer.out_features, rank)
            parts[f"hada_w{number}_b"] = numbers(rank, layer.in_features)
        example.tensors |= {f"{name}.{role}": tensor for role, tensor in parts.items()}
        a, b, c, d = (tensor.double() for tensor in parts.values())
        example.delta[module] = ALPHA / rank * (a @ b) * (c @ d)
    return with_alpha(example)


def lokr(transformer: nn.Module, factored: bool) -> Example:
    """W + s w1 ⊗ w2; s is alpha / rank where a factor is of low rank, and 1 where both are whole."""
    example, numbers = Example(), Numbers()
    for module in MODULES:
        layer = transformer.get_submodule(module)
        name = f"diffusion_model.{module}"
        w1 = numbers(4, 2)
        rows, columns = layer.out_features // 4, layer.in_features // 2
        parts = {"lokr_w1": w1}
        if factored:
            parts |= {"lokr_w2_a": numbers(rows, RANK), "lokr_w2_b": numbers(RANK, columns)}
            w2 = parts["lokr_w2_a"].double() @ parts["lokr_w2_b"].double()
        else:
            parts["lokr_w2"] = numbers(rows, columns)
            w2 = parts["lokr_w2"].double()
        example.tensors |= {f"{name}.{role}": tensor for role, tensor in parts.items()}
        example.delta[module] = (ALPHA / RANK if factored else 1) * torch.kron(w1.double(), w2)
    return with_alpha(example)


def peft_lokr(transformer: nn.Module) -> Example:
    """PEFT scales by alpha / r whatever the factors are."""
    example = lokr(transformer, factored=False)
    example.tensors = {
        name.replace("diffusion_model.", "base_model.model."): tensor
        for name, tensor in example.tensors.items()
        if not name.endswith(".alpha")
    }
    example.config = {"peft_type": "LOKR", "r": RANK, "alpha": ALPHA}
    example.delta = {module: ALPHA / RANK * delta for module, delta in example.delta.items()}
    return example


def header_key(transformer: nn.Module) -> Example:
    example = lora(transformer, prefix="diffusion_model.", scaling=8 / 16, rank=16)
    example.metadata = {"transformer.lora_alpha": "8", "rank": "16"}
    return example


def mixed(transformer: nn.Module) -> Example:
    """LyCORIS takes another method where a layer is small: both in one file."""
    example, other = lokr(transformer, factored=True), loha(transformer)
    module = MODULES[3]
    example.tensors = {name: tensor for name, tensor in example.tensors.items() if module not in name}
    flat = f"lycoris_{module.replace('.', '_')}."
    example.tensors |= {
        name.replace(flat, f"diffusion_model.{module}."): tensor
        for name, tensor in other.tensors.items()
        if name.startswith(flat)
    }
    example.delta[module] = other.delta[module]
    return example


def text_encoder_too(transformer: nn.Module) -> Example:
    example = lora(transformer)
    example.tensors["text_encoder.model.layers.0.self_attn.q_proj.lora_A.weight"] = torch.ones(RANK, 8)
    example.tensors["lora_te1_model_layers_0_mlp.lora_down.weight"] = torch.ones(RANK, 8)
    return example


DOWN_UP = ("lora_down", "lora_up")
FORMATS: Mapping[str, Callable[[nn.Module], Example]] = {
    "diffusers, no alpha": lora,
    "diffusers, lora_adapter_metadata": diffusers_now,
    "the reference's saver, mixed names": reference,
    "PEFT, patterns and rsLoRA": peft_patterns,
    "PEFT, named, with bias": peft_named_bias,
    "PEFT DoRA": dora,
    "PEFT LoKr": peft_lokr,
    "ComfyUI, diffusion_model.": lambda t: with_alpha(
        lora(t, DOWN_UP, "diffusion_model.", scaling=ALPHA / RANK)
    ),
    "ComfyUI, model.diffusion_model.": lambda t: lora(t, prefix="model.diffusion_model."),
    "header key transformer.lora_alpha": header_key,
    "DiffSynth, pipe.dit.": lambda t: lora(t, ("lora_A.default", "lora_B.default"), "pipe.dit."),
    "bare names of layers": lambda t: lora(t, prefix=""),
    "kohya, lora_unet_, bf16": lambda t: with_alpha(
        lora(t, DOWN_UP, "lora_unet_", torch.bfloat16, ALPHA / RANK, flat=True), torch.bfloat16
    ),
    "kohya DoRA, dora_scale": lambda t: dora(t, kohya=True),
    "OneTrainer, lora_transformer_": lambda t: with_alpha(
        lora(t, DOWN_UP, "lora_transformer_", scaling=ALPHA / RANK, flat=True), torch.int64
    ),
    "LyCORIS LoRA, lycoris_": lambda t: with_alpha(
        lora(t, DOWN_UP, "lycoris_", scaling=ALPHA / RANK, flat=True)
    ),
    "LyCORIS LoHa": loha,
    "LyCORIS LoKr, whole factors": lambda t: lokr(t, factored=False),
    "LyCORIS LoKr, factors of low rank": lambda t: lokr(t, factored=True),
    "LyCORIS LoKr and LoHa in one file": mixed,
    "fp8 e4m3": lambda t: lora(t, dtype=torch.float8_e4m3fn),
    "fp8 e5m2": lambda t: lora(t, dtype=torch.float8_e5m2),
    "fp16": lambda t: lora(t, dtype=torch.float16),
    "with tensors of a text encoder": text_encoder_too,
}


@torch.no_grad()
def measured(transformer: nn.Module, module: str) -> tuple[Tensor, Tensor]:
    """What the adapters that act add to a layer's weight, and to its bias."""
    layer = transformer.get_submodule(module)
    inputs = torch.cat([torch.eye(layer.in_features), torch.zeros(1, layer.in_features)])
    change = (layer(inputs).double() - layer.base_layer(inputs).double()).T
    return change[:, :-1] - change[:, -1:], change[:, -1]


def largest_error(transformer: nn.Module, example: Example) -> float:
    """The largest difference to the formula, relative to the largest number that the formula gives."""
    errors = []
    for module, delta in example.delta.items():
        weight, bias = measured(transformer, module)
        errors.append(float((weight - delta).abs().max() / delta.abs().max()))
        wanted = example.bias.get(module, torch.zeros_like(bias))
        errors.append(float((bias - wanted).abs().max() / max(1.0, float(wanted.abs().max()))))
    return max(errors)
