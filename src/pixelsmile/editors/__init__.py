"""One door to any editor that is measured or makes data: ours, a folder, a command, drawn truth."""

from typing import Literal, get_args

Region = Literal["auto", "face", "whole"]  # what ours edits of a picture
REGIONS: tuple[Region, ...] = get_args(Region)
Wording = Literal["expression", "instruction"]  # whose words ours is given
WORDINGS: tuple[Wording, ...] = get_args(Wording)
