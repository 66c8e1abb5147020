"""The models that are served: by the names that clients know, loaded when they are first asked for.

Clients learn names, never where a model lies on this machine: not from an answer, an error or a picture.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixelsmile.editing.adapters.files import adapter_specs
from pixelsmile.editing.engine import Engine, EngineInfo
from pixelsmile.editing.family import EDIT, FAMILIES
from pixelsmile.editing.folders import EMBEDDED, GEOMETRIC, is_hub_id
from pixelsmile.editing.model_choice import ModelChoice, choose_model, load_editor
from pixelsmile.editing.session import FaceFinder
from pixelsmile.errors import InputError, ModelError
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.names import parse_judge

_log = logging.getLogger(__name__)

MAX_LOADED = 2


class LoadingError(ModelError):
    """A model that is served and cannot be loaded; why is the log's matter."""


@dataclass(frozen=True)
class Served:
    """Models by the names that clients know them by, and which one is meant where none is named.

    default: for photographs. drawn_default: for portraits that pixelsmile drew.
    """

    choices: Mapping[str, ModelChoice]
    default: str
    drawn_default: str

    def name(self, wanted: str | None, *, drawn: bool) -> str:
        """The model that is meant. ModelError for a name that is not served."""
        if wanted is None:
            return self.drawn_default if drawn else self.default
        if wanted not in self.choices:
            raise ModelError(f"there is no model {wanted!r} here: use {', '.join(self.choices)}")
        return wanted


def served(texts: Iterable[str], how: ModelChoice) -> Served:
    """What `geometric`, `embedded`, a hub id, FOLDER or NAME=FOLDER name; without any, what suits here.

    how: adapters, device and so on of all models but the geometric one. InputError, ModelError, AdapterError,
    DeviceError for what is not there, and for two models of one name.
    """
    choices: dict[str, ModelChoice] = {}
    for text in texts:
        name, model = _named(text)
        if name in choices:
            raise InputError(f"two models are called {name!r}: name one of them, as other={model}")
        choices[name] = _placed(model, how)
    if choices:
        if all(one.model == GEOMETRIC for one in choices.values()):
            _check_used(how)
        first = next(iter(choices))
        return Served(choices, first, first)
    photographs, drawn = (choose_model(how, drawn=drawn).model or GEOMETRIC for drawn in (False, True))
    if photographs == GEOMETRIC:
        how.acceleration.check_model(EMBEDDED, EDIT)
    without_preset = replace(how, acceleration=replace(how.acceleration, preset=None))
    for model in dict.fromkeys((photographs, drawn, GEOMETRIC, EMBEDDED)):
        choices[model] = _placed(model, without_preset if model == EMBEDDED else how)
    return Served(choices, photographs, drawn)


def _named(text: str) -> tuple[str, str]:
    """A model and what it is called here: as it is given; a folder by its last part."""
    name, equals, model = text.partition("=")
    if equals and name and model:
        return name, model
    if text in (GEOMETRIC, EMBEDDED) or (is_hub_id(text) and not Path(text).exists()):
        return text, text
    return Path(text).absolute().name, text


def _placed(model: str, how: ModelChoice) -> ModelChoice:
    choice = ModelChoice(GEOMETRIC) if model == GEOMETRIC else replace(how, model=model)
    choice.check_files()
    choice.check_device()
    return choice


def _check_used(how: ModelChoice) -> None:
    """InputError for what the geometric model would not use, where no other is served."""
    given = {
        "adapter": adapter_specs(how.adapter),
        "dtype": how.dtype,
        "offload": how.offload != "none",
        "quantization": how.quantization,
        "control": how.control,
        **how.acceleration.as_dict(),
    }
    if unused := [name for name, value in given.items() if value]:
        raise InputError(f"the model {GEOMETRIC} does not use {', '.join(unused)}: leave it out")


@dataclass(frozen=True)
class Loaded:
    """An engine, and what may be told about it."""

    engine: Engine
    info: EngineInfo


class Desk:
    """What lies before a worker: models, detectors and judges, each loaded once. For one thread.

    max_loaded: models that stay loaded; the one that was not used for longest goes. device: where models are
    put, in place of their own choice.
    """

    def __init__(
        self,
        models: Served,
        max_loaded: int = MAX_LOADED,
        device: str | None = None,
    ) -> None:
        self._models, self._max_loaded, self._device = models, max_loaded, device
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._finder = FaceFinder()
        self._judges: dict[str, Judge] = {}

    @property
    def num_loaded(self) -> int:
        return len(self._loaded)

    def model(self, name: str) -> Loaded:
        """The model of that name. LoadingError where it cannot be loaded."""
        if name not in self._loaded:
            while len(self._loaded) >= self._max_loaded:
                self._loaded.popitem(last=False)
                _free_memory()
            self._loaded[name] = self._load(name)
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def finder(self, say: Callable[[str], None]) -> FaceFinder:
        """Finds faces for somebody who is told by `say`; the detectors stay loaded."""
        return self._finder.for_another(say)

    def judge(self, name: str) -> Judge:
        """A judge that runs on this machine: photo or embedded."""
        if name not in self._judges:
            self._judges[name] = parse_judge(name)
        return self._judges[name]

    def _load(self, name: str) -> Loaded:
        choice = self._models.choices[name]
        if self._device is not None and choice.model != GEOMETRIC:
            choice = replace(choice, device=self._device)
        try:
            engine = load_editor(choice, _log.info).engine
        except Exception as error:  # libraries raise anything over a damaged file
            _log.error("the model %s cannot be loaded: %s", name, error)
            raise LoadingError(
                f"the model {name} cannot be loaded here: the server's log says why"
            ) from error
        for remark in engine.info.remarks:
            _log.warning("the model %s: %s", name, remark)
        return Loaded(engine, _without_paths(engine.info, name))


def _without_paths(info: EngineInfo, name: str) -> EngineInfo:
    adapters = tuple({**adapter, "source": Path(str(adapter["source"])).name} for adapter in info.adapters)
    licences = [remark for family in FAMILIES for remark in family.remarks]  # other remarks name files
    remarks = tuple(remark for remark in info.remarks if remark in licences)
    return replace(info, model=name, adapters=adapters, remarks=remarks)


def _free_memory() -> None:
    """Give what a model held back, on the GPU too."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
