"""The page's own script, in the files of `page/`: what it is told, and what it may ask of the studio."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixelsmile.expressions import EXPRESSIONS, MAX_STRENGTH
from pixelsmile.portraits.action_units import MAX_INTENSITY, SIGNED, UNITS
from pixelsmile.portraits.prototypes import action_units
from pixelsmile.web.studio.asked import Preset
from pixelsmile.web.studio.studio import Studio, preset_text, read_asked, read_preset, refusal

FILES = Path(__file__).parent / "page"
WHEEL = (  # around it, so that neighbours can be blended to something
    *("surprised", "happy", "confident", "shy", "sleepy", "sad"),
    *("contempt", "disgust", "angry", "anxious", "fear", "confused"),
)
PRESETS = (
    Preset(name="gentle smile", weights={"happy": 0.4}),
    Preset(name="laughing", weights={"happy": 1.2}, units={"jaw_drop": 0.4}),
    Preset(name="pleasant surprise", weights={"surprised": 0.5, "happy": 0.5}),
    Preset(name="worried", weights={"anxious": 0.6, "sad": 0.3}),
    Preset(name="sceptical", weights={"confused": 0.5, "contempt": 0.4}),
    Preset(name="worn out", weights={"sleepy": 0.6, "sad": 0.25}),
)
MAX_HISTORY = 50
_UNKNOWN = "the page asked for something unknown: load it again"


def script(name: str) -> str:
    """One of the page's scripts, with what it must know before it."""
    texts = [(FILES / file).read_text(encoding="utf-8") for file in ("hub.js", name)]
    return "\n".join([f"const facts = {json.dumps(facts())};", *texts])


def facts() -> dict[str, Any]:
    """What the scripts must know of expressions and units."""
    prototypes = {
        name: {unit: value for unit, value in asdict(action_units(name)).items() if value}
        for name in EXPRESSIONS
    }
    return {
        "expressions": EXPRESSIONS,
        "wheel": WHEEL,
        "units": [{"name": name, "signed": name in SIGNED} for name in UNITS],
        "prototypes": prototypes,
        "maxStrength": MAX_STRENGTH,
        "maxIntensity": MAX_INTENSITY,
        "maxHistory": MAX_HISTORY,
        "presets": {preset.name: preset.model_dump_json() for preset in PRESETS},
    }


Answering = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def server_functions(studio: Studio) -> list[Answering]:
    """What the page's script calls; each answers with an object, `{"error": ...}` where it refuses."""

    async def open_(data: dict[str, Any]) -> dict[str, Any]:
        return await studio.open_upload(data["visit"], data["path"], data["name"])

    async def draw(data: dict[str, Any]) -> dict[str, Any]:
        return await studio.draw(data["visit"], data["seed"], data["domain"])

    async def preview(data: dict[str, Any]) -> dict[str, Any]:
        return await studio.preview(read_asked(data))

    async def copy(data: dict[str, Any]) -> dict[str, Any]:
        return await studio.copy(data["visit"], data["path"], data["units"])

    async def preset(data: dict[str, Any]) -> dict[str, Any]:
        return read_preset(data["text"]).model_dump()

    async def keep(data: dict[str, Any]) -> dict[str, Any]:
        return {"text": preset_text(read_asked(data["asked"]), data["name"])}

    return [
        _answering("open", open_, visit=str, path=str, name=str),
        _answering("draw", draw, visit=str, seed=int, domain=str),
        _answering("preview", preview),
        _answering("copy", copy, visit=str, path=str, units=bool),
        _answering("preset", preset, text=str),
        _answering("keep", keep, asked=dict, name=str),
    ]


def _answering(name: str, function: Answering, /, **fields: type) -> Answering:
    """fields: what the page must have sent, by its name and kind; what is read as a whole refuses itself."""

    async def answer(data: dict[str, Any]) -> dict[str, Any]:
        sent = data if isinstance(data, dict) else {}
        if not all(isinstance(sent.get(field), kind) for field, kind in fields.items()):
            return {"error": _UNKNOWN}  # of an older studio, say
        try:
            return await function(data)
        except Exception as error:
            return {"error": refusal(error)}

    answer.__name__ = name
    return answer
