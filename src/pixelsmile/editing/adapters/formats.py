"""Adapter files by the names of their tensors: which tool wrote them, which layers they change, and how.

Read from the header alone, so that a wrong file is refused before a model is loaded. NAMINGS has the tools
and their names, also for those who write.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pixelsmile.editing.family import EDIT, QWEN_21
from pixelsmile.errors import AdapterError
from pixelsmile.limits import shown
from pixelsmile.store.safetensors_header import Header, TensorEntry

Kind = Literal["LoRA", "LoHa", "LoKr"]

_TEXT_ENCODER = re.compile(
    r"(base_model\.model\.)?(text_encoders?(_\d)?\.|lora_te\d?_|lora_text_encoder|lycoris_te|"
    r"cond_stage_model\.|conditioner\.)"
)


@dataclass(frozen=True)
class Naming:
    """How a tool names the tensors of a layer.

    prefix: what stands before the layer's own name. is_flat: the layer is written with underscores. factors:
    the names of A and B. magnitude: that of DoRA's, one a row, or as a column (`dora_scale`).
    """

    tool: str
    prefix: str
    is_flat: bool = False
    factors: tuple[str, str] = ("lora_A", "lora_B")
    magnitude: str = "lora_magnitude_vector"

    def layer(self, module: str) -> str:
        """A module of the model as files of that tool call it."""
        return self.prefix + (module.replace(".", "_") if self.is_flat else module)


_KOHYA = (True, ("lora_down", "lora_up"), "dora_scale")
NAMINGS = (
    Naming("PEFT", "base_model.model."),
    Naming("ComfyUI", "diffusion_model.", magnitude="dora_scale"),
    Naming("ComfyUI", "model.diffusion_model.", magnitude="dora_scale"),
    Naming("DiffSynth", "pipe.dit."),
    Naming("diffusers", "transformer."),  # its older versions: lora.down
    Naming("kohya", "lora_unet_", *_KOHYA),  # and musubi
    Naming("OneTrainer", "lora_transformer_", *_KOHYA),
    Naming("LyCORIS", "lycoris_", *_KOHYA),
)
# What may stand before a layer's own name, several after one another: of tools, DistributedDataParallel and
# torch.compile.
_DOTTED = {naming.prefix: naming.tool for naming in NAMINGS if not naming.is_flat}
_DOTTED |= {"module.": "", "_orig_mod.": ""}
BARE = "bare names of layers"  # of no tool that would say so
_FLAT_WORDS = ("lora_", "lycoris_", "unet_", "transformer_", "model_", "diffusion_model_")

_NAMED = r"(?:\.(?P<adapter>(?!weight$|bias$)[^.]+))?"  # PEFT may put an adapter's name behind a factor
_NAMES = tuple(
    re.compile(rf"(?P<layer>.+?)\.(?P<factor>{factor}){_NAMED}{ending}$")
    for factor, ending in (
        (r"lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up", r"\.(?P<what>weight|bias)"),
        (r"lora_magnitude_vector", r"(\.weight)?"),
        (r"alpha|dora_scale|lokr_w[12](?:_[ab])?|hada_w[12]_[ab]", ""),
    )
)
_ROLES = {
    **dict.fromkeys(("lora_A", "lora_down", "lora.down"), "A"),
    **dict.fromkeys(("lora_B", "lora_up", "lora.up"), "B"),
    **dict.fromkeys(("lora_magnitude_vector", "dora_scale"), "magnitude"),
}
# What other methods call their tensors: these are not read.
_NOT_READ = (
    (r"lora_mid|lokr_t2|hada_t[12]", "factors of a convolution"),
    (r"\.(b?oft_|oft_)|vera_", "a method other than LoRA, LoHa and LoKr"),
    (r"\.(diff|diff_b|set_weight)$", "whole differences of weights"),
    (
        r"scale_weight|weight_scale|scale_input|input_scale|comfy_quant|\.absmax",
        "scales of quantised weights",
    ),
    (r"lora_embedding", "a LoRA of an embedding"),
    (r"modules_to_save|\.weight$|\.bias$", "weights of the model itself"),
)
_WEIGHT_DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
# Parts of names that the layers of one family have alone; with dots, for names with underscores.
_FAMILY_LAYERS = {
    EDIT.name: ("add.q.proj", "txt.mlp", "img.mlp.net", "img.mod", "txt.mod"),
    QWEN_21.name: ("img.mlp.gate.layer", "img.mlp.proj", "img.mlp.out"),
}
_MAX_LAYERS = 2000  # Qwen-Image-Edit has 846
_MAX_NAME = 500
_MAX_RANK = 16384
_ALPHA_DTYPES = (*_WEIGHT_DTYPES, "I8", "I16", "I32", "I64", "U8")


@dataclass(frozen=True)
class Layer:
    """One layer's update in a file: its kind, its rank (None: LoKr of whole factors), tensors by their role.

    shape: (out, in) of the layer's weight.
    Roles: A, B, bias, magnitude (LoRA and DoRA); lokr_w1, lokr_w2_a, hada_w1_b and so on; alpha.
    """

    kind: Kind
    rank: int | None
    shape: tuple[int, int]
    tensors: Mapping[str, str]


@dataclass(frozen=True)
class Contents:
    """What an adapter file holds: who names tensors so, the layers by the names in the file, dtypes.

    Prefixes are gone from the layers' names, but underscores stay: `resolve` finds what they stand for.
    left_out: how many tensors are for a text encoder.
    """

    tool: str
    layers: Mapping[str, Layer]
    dtypes: tuple[str, ...]
    left_out: int

    @property
    def method(self) -> str:
        """`LoRA`, `DoRA`, `LoHa`, `LoKr`, or several of them, `with bias` where there is one."""
        kinds = {
            "DoRA" if "magnitude" in layer.tensors else str(layer.kind) for layer in self.layers.values()
        }
        bias = any("bias" in layer.tensors for layer in self.layers.values())
        return " and ".join(sorted(kinds)) + (" with bias" if bias else "")


def recognise(name: str, header: Header) -> Contents:
    """What the file `name` holds, by its header.

    AdapterError where it is no adapter, where parts of it are of a kind that is not read, and where its
    tensors do not belong together.
    """
    if long := next((tensor for tensor in header.tensors if len(tensor) > _MAX_NAME), None):
        raise AdapterError(f"adapter {name} has a tensor of the name {shown(long)}: save it again")
    found = {tensor: _parsed(tensor) for tensor in header.tensors if not _TEXT_ENCODER.match(tensor)}
    left_out = len(header.tensors) - len(found)
    unknown = [tensor for tensor, match in found.items() if match is None]
    known = [match for match in found.values() if match is not None]
    if not known:
        raise AdapterError(_no_adapter(name, unknown, left_out))
    if unknown:
        raise AdapterError(
            f"adapter {name} holds {_unread(unknown[0])}, which are not read ({len(unknown)} tensors, the "
            f"first is {shown(unknown[0])}): take it as plain LoRA"
        )
    adapters = sorted({match.adapter for match in known if match.adapter})
    if len(adapters) > 1:
        raise AdapterError(f"adapter {name} holds several, {', '.join(adapters)}: save one of them alone")
    grouped = _grouped(name, known)
    if len(grouped) > _MAX_LAYERS:
        raise AdapterError(f"adapter {name} is for another model: it changes {len(grouped):,} layers")
    layers = {layer: _layer(name, layer, tensors, header.tensors) for layer, tensors in grouped.items()}
    dtypes = {header.tensors[t].dtype for layer in layers.values() for t in _weights(layer.tensors)}
    return Contents(_tool(known), layers, tuple(sorted(dtypes)), left_out)


def resolve(name: str, layers: Sequence[str], modules: Sequence[str]) -> dict[str, str]:
    """The module that each layer of the file `name` stands for.

    Names with underscores are compared with the modules' own. AdapterError names the layers that the model
    does not have, that may be several, and that are there twice.
    """
    known = set(modules)
    flat: dict[str, list[str]] = {}
    for module in modules:
        flat.setdefault(module.replace(".", "_"), []).append(module)
    found: dict[str, str] = {}
    lost = []
    for layer in layers:
        candidates = [layer] if layer in known else _unflattened(layer, flat)
        if len(candidates) > 1:
            raise AdapterError(
                f"adapter {name} names a layer {shown(layer)}, which may be {' or '.join(candidates[:2])}: "
                "take it in the format of diffusers"
            )
        if candidates:
            found[layer] = candidates[0]
        else:
            lost.append(layer)
    if lost:
        raise AdapterError(
            f"adapter {name} is for {_whose(layers)}: {len(lost)} of its {len(layers)} layers are not there, "
            f"the first is {shown(lost[0])}; use the model that it was trained on"
        )
    layer_of: dict[str, str] = {}
    for layer, module in found.items():
        if layer_of.setdefault(module, layer) != layer:
            raise AdapterError(_twice(name, layer_of[module], layer))
    return found


def _whose(layers: Iterable[str]) -> str:
    """The model that layers of these names are of, as far as the names tell."""
    for family, marks in _FAMILY_LAYERS.items():
        if any(mark in layer.replace("_", ".") for layer in layers for mark in marks):
            return f"{family}, another model"
    return "another model"


@dataclass(frozen=True)
class _Tensor:
    name: str
    layer: str
    role: str
    adapter: str | None
    tool: str | None


def _parsed(tensor: str) -> _Tensor | None:
    for pattern in _NAMES:
        if match := pattern.match(tensor):
            groups = match.groupdict()
            role = _ROLES.get(match["factor"], match["factor"])
            if groups.get("what") == "bias":
                if role != "B":
                    return None
                role = "bias"
            layer, tool = _stripped(match["layer"])
            return _Tensor(tensor, layer, role, match["adapter"], tool)
    return None


def _stripped(layer: str) -> tuple[str, str | None]:
    """The layer without what tools put before it, and the tool that puts that."""
    tools: list[str] = []
    while prefix := next((prefix for prefix in _DOTTED if layer.startswith(prefix)), None):
        layer = layer.removeprefix(prefix)
        tools.append(_DOTTED[prefix])
    if "." not in layer:
        tools += [naming.tool for naming in NAMINGS if naming.is_flat and layer.startswith(naming.prefix)]
    return layer, next(filter(None, tools), None)


def _unflattened(layer: str, flat: Mapping[str, list[str]]) -> list[str]:
    """The modules that a name with underscores may mean, with or without what stands before it."""
    waiting, seen, found = [layer], {layer}, list[str]()
    while waiting:
        name = waiting.pop()
        found += flat.get(name, [])
        rests = {name.removeprefix(word) for word in _FLAT_WORDS if name.startswith(word)} - seen
        seen |= rests
        waiting += rests
    return found


def _tool(known: Sequence[_Tensor]) -> str:
    tools = sorted({tensor.tool for tensor in known if tensor.tool})
    return " and ".join(tools) or BARE


def _grouped(name: str, known: Sequence[_Tensor]) -> dict[str, dict[str, str]]:
    """The tensors' names by layer and role; AdapterError where one is there twice."""
    layers: dict[str, dict[str, str]] = {}
    for tensor in known:
        tensors = layers.setdefault(tensor.layer, {})
        if tensor.role in tensors:
            raise AdapterError(_twice(name, tensors[tensor.role], tensor.name))
        tensors[tensor.role] = tensor.name
    return layers


def _twice(name: str, first: str, second: str) -> str:
    return f"adapter {name} has the same layer twice, {shown(first)} and {shown(second)}: remove one of them"


def _weights(tensors: Mapping[str, str]) -> Iterator[str]:
    return (tensor for role, tensor in tensors.items() if role != "alpha")


def _layer(name: str, layer: str, tensors: Mapping[str, str], entries: Mapping[str, TensorEntry]) -> Layer:
    """One layer's tensors, found complete, of formats that are read, and of shapes that belong together."""
    for role, tensor in tensors.items():
        entry = entries[tensor]
        if entry.dtype not in (_ALPHA_DTYPES if role == "alpha" else _WEIGHT_DTYPES):
            raise AdapterError(
                f"adapter {name} holds {shown(tensor)} as {entry.dtype}, and whole or packed numbers are no "
                "factors: take it in bf16, fp16 or fp32"
            )
    shapes = {role: entries[tensor].shape for role, tensor in tensors.items()}
    try:
        kind, rank, shape = _kind_rank_and_shape(shapes)
        if shapes.get("bias", shape[:1]) != shape[:1]:
            raise ValueError(f"has a bias of shape {shapes['bias']} for {shape[0]} rows")
    except ValueError as wrong:
        raise AdapterError(f"adapter {name}: layer {shown(layer)} {wrong}: save it again") from None
    return Layer(kind, rank, shape, dict(tensors))


def _kind_rank_and_shape(
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[Kind, int | None, tuple[int, int]]:
    """ValueError, to follow the name of the layer, says what is wrong."""
    _check_shapes(shapes)
    roles = shapes.keys() - {"alpha", "bias", "magnitude"}
    if roles == {"A", "B"}:
        return "LoRA", _inner(shapes, "B", "A"), (shapes["B"][0], shapes["A"][1])
    if roles == {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}:
        return "LoHa", *_of_loha(shapes)
    lokr = [{f"lokr_w{n}"} if f"lokr_w{n}" in roles else {f"lokr_w{n}_a", f"lokr_w{n}_b"} for n in (1, 2)]
    if roles == lokr[0] | lokr[1]:
        return "LoKr", *_of_lokr(shapes)
    raise ValueError(f"is not complete (it has {', '.join(sorted(shapes))})")


def _check_shapes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    for role, shape in shapes.items():
        if role == "alpha" and shape not in ((), (1,)):
            raise ValueError(f"has an alpha of shape {shape}")
        if role not in ("alpha", "bias", "magnitude") and len(shape) != 2:
            raise ValueError(f"has a factor {role} of shape {shape}, where a matrix is needed")
        if 0 in shape:
            raise ValueError(f"has rank 0 ({role} has shape {shape})")


def _of_loha(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, tuple[int, int]]:
    first, second = (_inner(shapes, f"hada_w{n}_a", f"hada_w{n}_b") for n in (1, 2))
    outer = [(shapes[f"hada_w{n}_a"][0], shapes[f"hada_w{n}_b"][1]) for n in (1, 2)]
    if first != second or outer[0] != outer[1]:
        raise ValueError(f"multiplies {outer[0]} of rank {first} and {outer[1]} of rank {second}")
    return first, outer[0]


def _of_lokr(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int | None, tuple[int, int]]:
    if "magnitude" in shapes or "bias" in shapes:
        raise ValueError("is a LoKr with DoRA or bias, which is not read")
    ranks, rows, columns = set(), 1, 1
    for whole, left, right in (("lokr_w1", "lokr_w1_a", "lokr_w1_b"), ("lokr_w2", "lokr_w2_a", "lokr_w2_b")):
        if whole not in shapes:
            ranks.add(_inner(shapes, left, right))
        rows *= shapes[whole if whole in shapes else left][0]
        columns *= shapes[whole if whole in shapes else right][1]
    if len(ranks) > 1:
        raise ValueError(f"has the ranks {' and '.join(map(str, sorted(ranks)))}")
    return ranks.pop() if ranks else None, (rows, columns)


def _inner(shapes: Mapping[str, tuple[int, ...]], left: str, right: str) -> int:
    """The rank of the product left @ right."""
    rank = shapes[left][1]
    if rank != shapes[right][0]:
        raise ValueError(f"has factors that do not belong together, {shapes[left]} and {shapes[right]}")
    if rank > _MAX_RANK:
        raise ValueError(f"has rank {rank:,}")
    return rank


def _unread(tensor: str) -> str:
    return next(
        (kind for pattern, kind in _NOT_READ if re.search(pattern, tensor)), "tensors of no known kind"
    )


def _no_adapter(name: str, unknown: Sequence[str], left_out: int) -> str:
    if not unknown:
        what = "only tensors for a text encoder" if left_out else "no tensors"
        return f"adapter {name} holds {what}: give a LoRA of the transformer"
    kind = _unread(unknown[0])
    if kind == "weights of the model itself":
        return (
            f"{name} holds the weights of a model ({shown(unknown[0])}, ...) and no adapter: "
            "give a LoRA, or a model folder as --model"
        )
    return f"{name} holds no adapter but {kind} ({shown(unknown[0])}, ...): give a LoRA"
