"""How our own editor is loaded and used for a benchmark; reading this costs nothing."""

from dataclasses import dataclass
from typing import Literal, get_args

Region = Literal["auto", "face", "whole"]
REGIONS: tuple[Region, ...] = get_args(Region)
Told = Literal["expression", "instruction"]
TOLD: tuple[Told, ...] = get_args(Told)


@dataclass(frozen=True)
class OwnSettings:
    """What is None is the model's or the machine's own choice.

    size: root of the area that is edited, in pixels.
    adapters: FILE or FILE=SCALE; `none` alone is the model without any. region: `face` edits the square
    around the task's face box and pastes it back, as `pixelsmile edit --face`; `whole` edits the whole
    picture; `auto` takes the face where the picture is no portrait of it (not square, or the face small).
    Without a face box, all of it is edited. told: `expression`, the model's own prompt for the task's target,
    or `instruction`, the task's words as they are.
    """

    model: str = "embedded"
    adapters: tuple[str, ...] | None = None
    device: str | None = None
    dtype: str | None = None
    offload: str = "none"
    quantization: str | None = None
    steps: int | None = None
    shift: float | None = None
    size: int | None = None
    region: Region = "auto"
    told: Told = "expression"
