"""What a picture says of the portrait that was drawn into it: words that anybody may have written there."""

import logging
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.limits import parse_json, validated
from pixelsmile.results.pictures import PORTRAIT_KEY, picture_texts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawnPortrait:
    """text: as it stands in the file; edits keep it. domain: of the drawing."""

    text: str
    domain: Domain


class _Description(BaseModel):
    """What must be in the text; what else is there depends on who wrote it."""

    model_config = ConfigDict(strict=True)

    domain: Domain = Field(alias="style")  # as pictures say it


def read_portrait(path: str | PathLike[str]) -> DrawnPortrait | None:
    """The drawn portrait that a picture file says it is; None for every other picture.

    A text that is none, or of no known domain, is logged and does not count.
    """
    text = picture_texts(path).get(PORTRAIT_KEY)
    if text is None:
        return None
    what = f"the text {PORTRAIT_KEY} of {str(path)!r}"
    try:
        described = validated(_Description, parse_json(text, what), what)
    except InputError as error:
        logger.warning("%s; taken for a picture that pixelsmile has not drawn", error)
        return None
    return DrawnPortrait(text, described.domain)


def check_domain(path: Path, portrait: DrawnPortrait | None, domain: str) -> None:
    """InputError where a drawn portrait is of the other domain: its edits would be of neither."""
    if portrait is not None and portrait.domain != domain:
        raise InputError(
            f"{str(path)!r} is a drawn {portrait.domain} portrait, not {domain}: "
            f"its domain is {portrait.domain}"
        )
