"""How strongly an adapter file says that it applies: alpha over rank, wherever a file may state alpha.

In this order: `.alpha` tensors of the layers (kohya, LyCORIS), `lora_adapter_metadata` in the header
(diffusers), `adapter_config.json` beside the file (PEFT), plain header keys such as `lora_alpha`. A file that
states none is used with scale 1, as the published PixelSmile adapter is, and that is said.
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import regex
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from pixelsmile.editing.adapters.formats import Contents, Layer
from pixelsmile.errors import AdapterError
from pixelsmile.limits import MAX_CONFIG_BYTES, parse_json, read_json_object, shown, validated

METADATA_KEY = "lora_adapter_metadata"
_CONFIG_FILE = "adapter_config.json"
_PREFIX = "transformer."
_PLAIN_KEYS = ("lora_alpha", "network_alpha")
_PLAIN_PATTERN = re.compile(r"\^?(\w|\\?\.)+\$?")
# No counted repeats (a few brackets of them fill the memory when compiled), no references, no look-around.
_PATTERN = re.compile(r"([\w\s.^$*+?|\[\]\\,-]|\((?!\?)|\(\?:|\)){1,500}")
_MAX_PATTERNS = 2000
_PATTERN_S = 0.3  # for one pattern and one layer
_MATCHING_S = 2.0  # for all of them together

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
Rank = Annotated[int, Field(strict=True, gt=0)]


class LoraConfig(BaseModel):
    """What is read of a PEFT config: https://huggingface.co/docs/peft/package_reference/lora."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    peft_type: str | None = None
    lora_alpha: Number | None = None
    alpha: Number | None = None  # of LoHa and LoKr
    r: Rank | None = None
    alpha_pattern: dict[str, Number] | None = None
    rank_pattern: dict[str, Rank] | None = None
    use_rslora: StrictBool | None = None
    init_lora_weights: StrictBool | str | None = None
    base_model_name_or_path: str | None = None

    @property
    def states_alpha(self) -> bool:
        """Whether it says anything of alpha."""
        return any((self.lora_alpha, self.alpha, self.alpha_pattern))


@dataclass(frozen=True)
class Alphas:
    """What a file says of its alphas. source: where it says so, None where nowhere; notes: what to tell."""

    source: str | None
    config: LoraConfig
    notes: tuple[str, ...] = ()

    def scalings(
        self, name: str, layers: Mapping[str, Layer], alphas: Mapping[str, float]
    ) -> dict[str, float]:
        """The factor of each layer's update, by module; alphas: those that layers bring as tensors.

        AdapterError for an alpha that is no number above 0, and for patterns that take too long.
        """
        config, scalings = self.config, {}
        stated, ranks = (_Patterns(name, given) for given in (config.alpha_pattern, config.rank_pattern))
        for module, layer in layers.items():
            alpha: float | None = alphas.get(module)
            rank: float | None = layer.rank
            if alpha is None:
                own = layer.kind != "LoRA" and config.alpha is not None
                alpha = stated.first(module, config.alpha if own else config.lora_alpha)
                if layer.kind == "LoKr":
                    rank = ranks.first(module, config.r) or rank
            if alpha is None or rank is None:  # LyCORIS: alpha means nothing to a LoKr of whole factors
                scalings[module] = 1.0
            elif 0 < alpha < math.inf:
                scalings[module] = alpha / (math.sqrt(rank) if config.use_rslora else rank)
            else:
                raise AdapterError(
                    f"adapter {name} has alpha {alpha:g} for {module}, where a number above 0 is needed (did "
                    "its training diverge?): take an earlier state of it, or save it again"
                )
        return scalings


def read_alphas(path: Path, metadata: Mapping[str, str], contents: Contents) -> Alphas:
    """What the header of a file, and the config beside it, say of alpha. AdapterError for a bad one."""
    name = repr(path.name)
    source, config = _stated(path, metadata)
    _check(name, config)
    ranked = [layer for layer in contents.layers.values() if layer.rank is not None]
    own = [layer for layer in ranked if "alpha" in layer.tensors]
    notes = []
    if own:
        source = "alpha tensors"
    elif not ranked and config.r is None:
        source = "none needed: whole factors"
    elif not config.states_alpha:
        source = None
    if ranked and source is None:
        notes.append("it states no alpha: scale 1")
    elif len(own) < len(ranked) and config.lora_alpha is None and config.alpha is None:
        notes.append("it states alphas for some layers only: scale 1 for the others")
    read = {METADATA_KEY, *_PLAIN_KEYS, *(_PREFIX + key for key in _PLAIN_KEYS)}
    notes += [
        f"what its header calls {shown(key)} ({shown(value)}) is not taken as its alpha"
        for key, value in sorted(metadata.items())
        if source is None and key not in read and (key.endswith("alpha") or '"lora_alpha"' in value)
    ]
    return Alphas(source, config, tuple(notes))


def _stated(path: Path, metadata: Mapping[str, str]) -> tuple[str | None, LoraConfig]:
    """Where a config was found, and the config."""
    name = repr(path.name)
    if METADATA_KEY in metadata:
        text = metadata[METADATA_KEY]
        what = f"{METADATA_KEY} of adapter {name}"
        if len(text) > MAX_CONFIG_BYTES:
            raise AdapterError(f"{what} is longer than {MAX_CONFIG_BYTES:,} bytes: save it again")
        raw = parse_json(text, what, error=AdapterError)
        if not isinstance(raw, dict):
            raise AdapterError(f"{what} holds {shown(raw)}, where a JSON object is needed: save it again")
        own = {key.removeprefix(_PREFIX): value for key, value in raw.items() if key.startswith(_PREFIX)}
        return METADATA_KEY, validated(LoraConfig, own or raw, what, error=AdapterError)
    beside = path.with_name(_CONFIG_FILE)
    if beside.is_file():
        raw = read_json_object(beside, error=AdapterError)
        return _CONFIG_FILE, validated(LoraConfig, raw, f"{_CONFIG_FILE} of {name}", error=AdapterError)
    return _of_header(name, metadata)


def _of_header(name: str, metadata: Mapping[str, str]) -> tuple[str | None, LoraConfig]:
    """A config of plain keys, as some trainers write them: numbers as text."""
    keys = sorted(key for key in metadata if key.removeprefix(_PREFIX) in _PLAIN_KEYS)
    alphas = {key: _number(name, key, metadata[key]) for key in keys}
    if len(set(alphas.values())) > 1:
        raise AdapterError(
            f"the header of adapter {name} states several alphas, "
            f"{', '.join(f'{key} {value:g}' for key, value in alphas.items())}: correct it"
        )
    if not alphas:
        return None, LoraConfig()
    rslora = metadata.get("use_rslora", "").lower() in ("true", "1")
    return f"header key {keys[0]}", LoraConfig(lora_alpha=next(iter(alphas.values())), use_rslora=rslora)


def _number(name: str, key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise AdapterError(
            f"the header of adapter {name} says {key} {shown(text)}, not a number above 0: save it again"
        )
    return number


def _check(name: str, config: LoraConfig) -> None:
    """AdapterError for configs whose adapters are more than factors on the model's own weights."""
    start = config.init_lora_weights
    if isinstance(start, str) and start.lower().startswith(("pissa", "olora", "corda", "loftq")):
        raise AdapterError(
            f"adapter {name} was trained on weights that {start} had changed (init_lora_weights): convert it "
            "to plain LoRA with peft first"
        )
    if config.peft_type not in (None, "LORA", "LOHA", "LOKR"):
        raise AdapterError(f"adapter {name} is of the PEFT type {shown(config.peft_type)}: give a LoRA")
    for patterns in (config.alpha_pattern, config.rank_pattern):
        if len(patterns or ()) > _MAX_PATTERNS:
            raise AdapterError(
                f"the config of adapter {name} has over {_MAX_PATTERNS} patterns: save it again"
            )
        for pattern in patterns or ():
            if not _PATTERN.fullmatch(pattern):
                raise AdapterError(_bad_pattern(name, pattern))


class _Patterns:
    """PEFT's rule: the first pattern, a regular expression, that matches the end of a module's name.

    Never for longer than _MATCHING_S in all. AdapterError for what takes longer, or is no pattern.
    """

    def __init__(self, name: str, patterns: Mapping[str, float] | None) -> None:
        self._name = name
        self._left_s = _MATCHING_S
        self._patterns = [(self._compiled(text), text, value) for text, value in (patterns or {}).items()]

    def first(self, module: str, default: float | None) -> float | None:
        """The value of the first pattern that matches, or the default."""
        started = time.process_time()
        try:
            for pattern, text, value in self._patterns:
                if self._left_s < 0:
                    raise AdapterError(_bad_pattern(self._name, text))
                if self._matches(pattern, text, module):
                    return value
            return default
        finally:
            self._left_s -= time.process_time() - started

    def _compiled(self, text: str) -> Any:
        whole = rf"(.*\.)?({text})$"
        try:
            # Nearly all are a layer's name; nothing in these can repeat, and `re` is quicker.
            return re.compile(whole) if _PLAIN_PATTERN.fullmatch(text) else regex.compile(whole)
        except (regex.error, re.error, RecursionError, ValueError, IndexError) as bad:
            raise AdapterError(_bad_pattern(self._name, text)) from bad

    def _matches(self, pattern: Any, text: str, module: str) -> bool:
        if isinstance(pattern, re.Pattern):
            return pattern.match(module) is not None
        try:
            return pattern.match(module, timeout=_PATTERN_S) is not None
        except TimeoutError as slow:
            raise AdapterError(_bad_pattern(self._name, text)) from slow


def _bad_pattern(name: str, pattern: str) -> str:
    return (
        f"the config of adapter {name} has a pattern {shown(pattern)}, which is no regular expression of "
        "layers' names, or takes too long: name the layers"
    )
