"""The adapter that is trained: a LoRA on the transformer, and the file that it becomes.

Rank 64, alpha 128, on "major attention and MLP components" (PixelSmile, Appendix B): by default the twelve
layers of every block that the reference's configuration names. Its file is what diffusers writes, with the
alpha in its metadata, so it gives the same pictures here and in stock diffusers.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from pixelsmile.editing.adapters.files import TRAINED_BY, AdapterSpec, find_adapter
from pixelsmile.editing.adapters.formats import resolve
from pixelsmile.editing.adapters.transformer import fitting_updates, linear_layers
from pixelsmile.editing.adapters.updates import LowRank
from pixelsmile.errors import AdapterError
from pixelsmile.limits import shown
from pixelsmile.store.safetensors_header import canonical
from pixelsmile.training.config import TARGETS, AdapterSettings

_log = logging.getLogger(__name__)

_NAME = "default"
_PREFIX = "transformer."
_METADATA = "lora_adapter_metadata"


def add_adapter(transformer: Any, settings: AdapterSettings, seed: int) -> None:
    """Freeze the transformer and put a new adapter on it, in float32 and training mode.

    At first it changes nothing: the first factors are normal with deviation 1 / rank, as in the reference,
    the second zero; the same on any device. AdapterError where the transformer has an adapter already, or
    lacks the layers.
    """
    _check_targets(transformer, settings.layers)
    if getattr(transformer, "peft_config", None):
        raise AdapterError("the model has an adapter already: load it without one to train another")
    transformer.requires_grad_(False)
    transformer.add_adapter(_lora_config(settings), adapter_name=_NAME)
    parameters = adapter_parameters(transformer)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in parameters.items():
        parameter.data = parameter.data.float()
        if name.endswith("lora_A.weight"):
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / settings.rank)
    _leave_inputs_to_autocast(transformer)
    transformer.train()


def _leave_inputs_to_autocast(transformer: nn.Module) -> None:
    """PEFT turns the input of each adapted layer into the adapter's 32 bits, and autocast turns it back: the
    same numbers, copied twice, and one copy for each layer is kept for the gradient."""
    from peft.tuners.lora.layer import LoraLayer

    for layer in transformer.modules():
        if isinstance(layer, LoraLayer):
            layer._cast_input_dtype = _cast_without_autocast


def _cast_without_autocast(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    return inputs if torch.is_autocast_enabled(inputs.device.type) else inputs.to(dtype)


def started(transformer: nn.Module, settings: AdapterSettings) -> AdapterSettings:
    """The same settings with their targets stated: where they are left open, those of the file to start from.

    Only the header of that file is read.
    """
    if settings.targets is not None:
        return settings
    if settings.start is None:
        return settings.model_copy(update={"targets": _default_targets(transformer)})
    file = find_adapter(AdapterSpec(settings.start))
    modules = resolve(repr(file.path.name), list(file.contents.layers), list(linear_layers(transformer)))
    ends = {_within_block(module) for module in modules.values()}
    in_order = tuple(sorted(ends, key=lambda end: (_rank(end), end)))
    _log.info("adapter.targets: those of %s: %s", settings.start, ", ".join(in_order))
    return settings.model_copy(update={"targets": in_order})


def _default_targets(transformer: nn.Module) -> tuple[str, ...]:
    """The first known list whose layers the transformer has."""
    ends = {_within_block(name) for name in linear_layers(transformer)}
    return next((layers for layers in TARGETS.values() if ends >= set(layers)), TARGETS["reference"])


def _rank(end: str) -> int:
    """Where a layer stands in the known lists: so that the same layers have one order."""
    known = [end for layers in TARGETS.values() for end in layers]
    return known.index(end) if end in known else len(known)


def _within_block(module: str) -> str:
    """`attn.to_q` of `transformer_blocks.7.attn.to_q`."""
    return module.split(".", 2)[2] if module.startswith("transformer_blocks.") else module


def _check_targets(transformer: nn.Module, targets: Sequence[str]) -> None:
    """AdapterError unless each target is one layer of every block."""
    num_blocks = len(transformer.transformer_blocks)
    names = [name for name in linear_layers(transformer) if name.startswith("transformer_blocks.")]
    for target in targets:
        if sum(name.endswith(f".{target}") for name in names) != num_blocks:
            known = sorted({_within_block(name) for name in names})
            raise AdapterError(
                f"adapter.targets: {shown(target)} is not one layer of each block: use {', '.join(known)}"
            )


def adapter_parameters(transformer: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter's parameters, by the names that they have in its file."""
    return {
        file_name(name): parameter
        for name, parameter in transformer.named_parameters()
        if f".{_NAME}." in name and ".lora_" in name
    }


def file_name(name: str) -> str:
    """The name in the file of a parameter of a training: the module's own, whatever it was wrapped into."""
    bare = name[name.index("transformer_blocks.") :]
    return _PREFIX + bare.replace(f".{_NAME}.", ".").replace("_checkpoint_wrapped_module.", "")


def adapter_bytes(
    tensors: Mapping[str, Tensor],
    settings: AdapterSettings,
    dtype: torch.dtype = torch.float32,
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """The file of an adapter: its tensors by the names of parameters or of the file, alpha, rank, notes.

    dtype: of the tensors in the file. The same tensors give the same bytes. AdapterError where a number is
    not finite: no such adapter is written.
    """
    saved = {
        file_name(name): tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items()
    }
    for name, tensor in saved.items():
        if not tensor.isfinite().all():
            raise AdapterError(
                f"the trained adapter is not finite in {str(dtype).removeprefix('torch.')} ({name}), and not "
                "written: its training diverged; go on from an earlier checkpoint, with a lower learning rate"
            )
    config = {f"{_PREFIX}{name}": value for name, value in _as_json(_lora_config(settings)).items()}
    metadata = {
        **(notes or {}),
        "format": "pt",
        TRAINED_BY: "pixelsmile",  # so in edits the text encoder sees what it saw here
        _METADATA: json.dumps(config, indent=2, sort_keys=True),
    }
    return canonical(safetensors.torch.save(saved, metadata))


def load_adapter(transformer: nn.Module, source: str | Path, settings: AdapterSettings) -> None:
    """Put the weights of an adapter into the one that is on the transformer, to train on from there.

    Any file, folder or hub id that an edit takes, if it is a plain LoRA of the same layers and rank; one of
    another alpha is scaled to do the same. AdapterError where it does not fit, naming what differs.
    """
    file = find_adapter(AdapterSpec(str(source)))
    tensors: dict[str, Tensor] = {}
    for module, update in fitting_updates(transformer, file).items():
        if not isinstance(update, LowRank) or not update.is_plain:
            raise AdapterError(
                f"adapter {source} is a {file.contents.method}: a training starts from plain LoRA"
            )
        tensors[f"{_PREFIX}{module}.lora_A.weight"] = update.A
        tensors[f"{_PREFIX}{module}.lora_B.weight"] = update.B
    parameters = adapter_parameters(transformer)
    _check_layers(source, tensors, parameters)
    misfits = [
        name
        for name in sorted(tensors.keys() | parameters.keys())
        if name not in tensors or name not in parameters or tensors[name].shape != parameters[name].shape
    ]
    if misfits:
        raise AdapterError(
            f"adapter {source} does not fit the one to train: {len(misfits)} tensors differ, the first is "
            f"{misfits[0]}: use an adapter of the same layers, and its rank as adapter.rank"
        )
    scaling = settings.lora_alpha / settings.rank
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name] / (scaling if name.endswith("lora_B.weight") else 1.0))


def _check_layers(source: object, found: Iterable[str], trained: Iterable[str]) -> None:
    """AdapterError, naming the kinds of layers, where the adapter to start from has others."""
    have, train = (
        {_within_block(name.removeprefix(_PREFIX)) for name in names} for names in (found, trained)
    )
    have, train = ({name.rpartition(".lora_")[0] for name in names} for names in (have, train))
    if have != train:
        others = [f"has {', '.join(sorted(have - train))}"] if have - train else []
        lacks = [f"lacks {', '.join(sorted(train - have))}"] if train - have else []
        raise AdapterError(
            f"adapter {source} has other layers than adapter.targets: it {' and '.join([*others, *lacks])}; "
            "set adapter.targets to null to train those that it has"
        )


def _lora_config(settings: AdapterSettings) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.layers),
    )


def _as_json(config: Any) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, set) else value for name, value in config.to_dict().items()
    }
