"""The model that edits: chosen when nobody names one, checked before it is fetched, loaded."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pixelsmile.editing.acceleration import NOT_ACCELERATED, Acceleration
from pixelsmile.editing.adapters.files import AdapterSpec, adapter_specs, find_adapter
from pixelsmile.editing.controls.files import find_control
from pixelsmile.editing.folders import (
    EMBEDDED,
    FULL_MODEL,
    GEOMETRIC,
    PUBLISHED_ADAPTER,
    check_folder,
    family_of,
    find_model,
    is_hub_id,
    named_family,
    single_file,
)
from pixelsmile.editing.memory import best_way, least_gb, options_of
from pixelsmile.editing.options import Offload, Quantization
from pixelsmile.errors import ModelError
from pixelsmile.store.hub import downloaded

if TYPE_CHECKING:
    from pixelsmile.editing.editor import Editor

FULL_MODEL_DOWNLOAD_GB = 60
FULL_MODEL_MEMORY_GB = least_gb(None, "none")


@dataclass(frozen=True)
class ModelChoice:
    """A model, and how it is put on this machine: what `Editor.from_pretrained` takes.

    model: None until one is chosen. reason: why, in one line, where the program chose it.
    """

    model: str | None = None
    adapter: Sequence[str] | None = None
    device: str | None = None
    dtype: str | None = None
    offload: str = "none"
    quantization: str | None = None
    control: str | None = None
    acceleration: Acceleration = NOT_ACCELERATED
    reason: str | None = None

    def check_files(self) -> None:
        """Refuse an adapter and a model's folder that are not there or not whole, within a second.

        The same of a control, which is found to be for the model where that is in a folder, and of a preset
        and a step cache. Without torch, and before anything is fetched but adapters that were named.
        AdapterError, ModelError, InputError.
        """
        found = None if self.control is None else find_control(self.control)
        for spec in adapter_specs(self.adapter) or ():
            find_adapter(spec)
        if self.model is not None and single_file(self.model) is not None:
            return  # the other parts may have to be fetched
        if self.model is None or self.model == GEOMETRIC:
            return
        folder = None if is_hub_id(self.model) else find_model(self.model)
        family = named_family(self.model) if folder is None else family_of(folder)
        if family is not None:
            self.acceleration.check_model(self.model, family)
        if folder is not None and found is not None:
            found.check(folder)

    def check_device(self) -> None:
        """Refuse a device that is not here, and a way to fit it that it does not have. DeviceError.

        The geometric model is not placed: what it does not heed, it refuses itself.
        """
        if self.model != GEOMETRIC:
            from pixelsmile.editing.devices import place

            place(self.device, self.dtype, self.offload, self.quantization)


def choose_model(asked: ModelChoice, *, drawn: bool) -> ModelChoice:
    """What was asked for; else the model that a control was trained on; else the full model if it is
    downloaded and the GPU holds it, with the dtype, offload, quantization and preset that were asked for;
    else what runs here.

    drawn: whether the pictures are portraits that pixelsmile drew, which the embedded model knows; of others
    the geometric one moves the mesh of the face, and torch is asked about a GPU only where the weights are
    there. Nothing is fetched. DeviceError as `ModelChoice.check_device`, AdapterError as `find_control`.
    """
    chosen = asked
    if asked.model is None:
        if drawn or asked.device is not None:
            asked.check_device()
        if asked.control is not None:
            model = find_control(asked.control).record.model
            reason = f"using {model}, which the control was trained on"
        else:
            model, reason = _default_model(asked, drawn)
        chosen = replace(asked, model=model, reason=reason)
    chosen.check_device()
    return chosen


def load_editor(
    choice: ModelChoice,
    say: Callable[[str], None],
    loading: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> "Editor":
    """The editor with the model that was chosen, fetched where it is on the hub.

    say: is told why the program chose it. loading: is entered, with the model's name, while the weights are
    read (a download shows its own progress before). Raises what `Editor.from_pretrained` raises.
    """
    if choice.reason is not None:
        say(choice.reason)
    if choice.model not in (None, GEOMETRIC):
        find_model(choice.model)
    with loading(choice.model or EMBEDDED):
        from pixelsmile.editing.editor import Editor

        return Editor.from_pretrained(
            choice.model,
            adapter=choice.adapter,
            device=choice.device,
            dtype=choice.dtype,
            offload=choice.offload,
            quantization=choice.quantization,
            control=choice.control,
            acceleration=choice.acceleration,
        )


def _default_model(asked: ModelChoice, drawn: bool) -> tuple[str, str]:
    """The model for nobody's choice, and why. asked: its device is here, or None."""
    fallback, device = EMBEDDED if drawn else GEOMETRIC, asked.device
    using = f"using the {fallback} model"
    if not drawn:
        using += ", which moves a mesh of the face"
    if device is not None and not device.startswith("cuda"):
        return fallback, f"device {device}: {using}"
    if not drawn and not is_downloaded(FULL_MODEL):
        return fallback, f"{using}; the paper's would do better (pixelsmile doctor says what it needs)"
    memory_gb = gpu_memory_gb(device)
    if memory_gb is None:
        return fallback, f"no GPU found: {using}"
    if not is_downloaded(FULL_MODEL):
        return fallback, (
            f"{FULL_MODEL} is not downloaded ({FULL_MODEL_DOWNLOAD_GB} GB): {using}; "
            "to use the full one: pixelsmile models fetch qwen-image-edit-2511"
        )
    needed_gb = _needed_gb(asked)
    if memory_gb < needed_gb:
        return fallback, (
            f"this GPU has {memory_gb:.0f} GB, {FULL_MODEL}{_put_so(asked)} wants {needed_gb}: "
            f"{using}; to use the full one: {full_model_options(memory_gb)}"
        )
    return FULL_MODEL, f"using {FULL_MODEL} on the GPU"


def _needed_gb(asked: ModelChoice) -> int:
    """The memory that the full model takes as it was asked to be put: each adapter has its share."""
    given = adapter_specs(asked.adapter)
    adapters = asked.acceleration.with_preset([AdapterSpec(PUBLISHED_ADAPTER)] if given is None else given)
    return least_gb(
        cast(Quantization | None, asked.quantization),
        cast(Offload, asked.offload),
        number_bytes=4 if asked.dtype == "float32" else 2,
        num_adapters=0 if asked.acceleration.fuse else len(adapters),
    )


def _put_so(asked: ModelChoice) -> str:
    """The options that `_needed_gb` heeds, as they are typed; with a space before each."""
    dtype = f" --dtype {asked.dtype}" if asked.dtype == "float32" else ""
    preset = asked.acceleration.preset
    return options_of(asked.quantization, asked.offload) + dtype + (f" --preset {preset}" if preset else "")


def gpu_memory_gb(device: str | None = None) -> float | None:
    """The memory of the CUDA device (the first by default), or None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    index = torch.device(device or "cuda").index or 0
    if index >= torch.cuda.device_count():
        return None
    return float(torch.cuda.get_device_properties(index).total_memory) / 1e9


def full_model_options(memory_gb: float) -> str:
    """The options under which the full model should fit into that much GPU memory (estimated)."""
    return f"--model {FULL_MODEL}{options_of(*best_way(memory_gb))}"


def is_downloaded(repository: str) -> bool:
    """Whether the hub cache on this machine holds a whole diffusers repository."""
    folder = downloaded(repository)
    if folder is None:
        return False
    try:
        check_folder(folder)
    except ModelError:
        return False
    return True
