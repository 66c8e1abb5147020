"""The control that a record names, on a transformer."""

from collections.abc import Mapping
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from pixelsmile.editing.controls.attribute_control import AttributeControl
from pixelsmile.editing.controls.concept_slider import ConceptSlider
from pixelsmile.editing.controls.files import WEIGHTS_NAME, ControlFile, ControlRecord
from pixelsmile.editing.controls.k_slider import KSlider
from pixelsmile.editing.controls.saedit import SAEdit
from pixelsmile.editing.controls.settings import (
    AttributeControlSettings,
    ConceptSliderSettings,
    KSliderSettings,
    SAEditSettings,
    SliderEditSettings,
)
from pixelsmile.editing.controls.slideredit import SliderEdit
from pixelsmile.errors import AdapterError

TrainedControl = ConceptSlider | AttributeControl | SAEdit | KSlider | SliderEdit


def make_control(record: ControlRecord, transformer: Any, seed: int = 0) -> TrainedControl:
    """The control that a record describes, as it is before any training, on its transformer.

    It hangs on to layers of the transformer, and changes nothing until it is told to `steer`. The same on any
    device. ModelError for a transformer that lacks the layers.
    """
    match record.settings:
        case ConceptSliderSettings() as settings:
            return ConceptSlider(record, settings, transformer, seed)
        case AttributeControlSettings() as settings:
            return AttributeControl(record, settings, transformer)
        case SAEditSettings() as settings:
            return SAEdit(record, settings, transformer, seed)
        case KSliderSettings() as settings:
            return KSlider(record, settings, transformer, seed)
        case SliderEditSettings() as settings:
            return SliderEdit(record, settings, transformer, seed)


def load_control(file: ControlFile, transformer: Any, device: Any) -> TrainedControl:
    """The control on its base, ready to steer it. AdapterError where its tensors are not those of its record.

    transformer: frozen, of the model that `file.check` found right.
    """
    control = make_control(file.record, transformer)
    tensors = load_file(file.folder / WEIGHTS_NAME)
    wrong = _wrong(control.state_dict(), tensors)
    if wrong:
        raise AdapterError(
            f"{file.called}: {len(wrong)} tensors are not those of its record, the first is {wrong[0]}: "
            "train it again"
        )
    bad = next((name for name, value in tensors.items() if not value.isfinite().all()), None)
    if bad is not None:
        raise AdapterError(f"{file.called} holds numbers that are not finite ({bad}): its training diverged")
    control.load_state_dict(tensors)
    return control.requires_grad_(False).eval().to(device)


def _wrong(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    return [
        name
        for name in sorted({*wanted, *found})
        if name not in wanted or name not in found or wanted[name].shape != found[name].shape
    ]
