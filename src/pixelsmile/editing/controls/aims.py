"""What a trained control takes of what an edit may ask for, and what it refuses."""

from pixelsmile.editing.conditioning import Aim
from pixelsmile.editing.controls.files import ControlRecord
from pixelsmile.errors import AdapterError, ExpressionError, InputError

AUTO = "auto"


def method_of(record: ControlRecord, wanted: str, aim: Aim) -> str:
    """The method's name, which is the form of its conditioning.

    InputError for a form that was asked for: those are of interpolation. AdapterError for pictures of a
    domain, and a neutral prompt, that it was not trained on.
    """
    method = record.settings.method
    if wanted != AUTO:
        raise InputError(
            f"conditioning {wanted!r} is a form of interpolation, and {method} steers: leave it out"
        )
    if aim.domain != record.domain:
        raise AdapterError(
            f"this {method} was trained on {record.domain} pictures, the picture is {aim.domain}"
        )
    if aim.neutral.text != record.neutral:
        raise AdapterError(
            f"this {method} was trained with the neutral prompt {record.neutral!r}, the model's is "
            f"{aim.neutral.text!r}: train it again"
        )
    return method


def columns_of(record: ControlRecord, aim: Aim) -> list[int]:
    """The place of each expression of an aim among those of the record. ExpressionError for others."""
    method, known = record.settings.method, record.expressions
    if not aim.expressions:
        raise ExpressionError(
            f"{method} has directions of expressions and takes no prompt: name one of {', '.join(known)}"
        )
    unknown = [name for name in aim.expressions if name not in known]
    if unknown:
        raise ExpressionError(
            f"this {method} does not know {unknown[0]}: it was trained on {', '.join(known)}"
        )
    return [known.index(name) for name in aim.expressions]


def require_single(record: ControlRecord, aim: Aim) -> None:
    """ExpressionError for a blend, where a method takes one instruction."""
    if len(aim.targets) != 1:
        raise ExpressionError(
            f"{record.settings.method} takes one instruction and its strength: name one expression, no blend"
        )
