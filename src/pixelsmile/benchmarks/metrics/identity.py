"""S_ID (PixelSmile, section 3.2): how much of the person is left, the mean over face encoders."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.samples import NO_FACE, NOT_MEASURED
from pixelsmile.benchmarks.metrics.table import EditTable, FloatArray
from pixelsmile.errors import InputError


@dataclass(frozen=True)
class Identities:
    """S_ID of each edit, -1..1, NaN where `reasons` says why there is none."""

    similarity: FloatArray  # (E,)
    reasons: tuple[str | None, ...]


def mean_similarity(similarity_EN: FloatArray, partial: str = "unscored") -> FloatArray:
    """The mean over encoders, (E,). An edit that some lack: NaN, or with `mean` that of the others."""
    if similarity_EN.shape[1] == 0:
        return np.full(len(similarity_EN), np.nan)
    found_EN = np.isfinite(similarity_EN)
    num_E = found_EN.sum(axis=1)
    total_E = np.where(found_EN, similarity_EN, 0.0).sum(axis=1)
    enough_E = num_E > 0 if partial == "mean" else num_E == similarity_EN.shape[1]
    return np.where(enough_E, total_E / np.maximum(num_E, 1), np.nan)


def identities(table: EditTable, choices: MetricChoices) -> Identities:
    """S_ID of each edit by the encoders, and the rules for what is missing, of `choices`."""
    columns = _columns(table.encoders, choices.identity_encoders)
    similarity_EN = table.similarities[:, columns]
    faceless_E = np.array([edit.no_identity == NO_FACE for edit in table.edits])
    if choices.missing_faces == "zero" and similarity_EN.shape[1]:
        similarity_EN = np.where(faceless_E[:, None] & np.isnan(similarity_EN), 0.0, similarity_EN)
    similarity_E = mean_similarity(similarity_EN, choices.partial_identity)
    reasons = tuple(
        None if np.isfinite(similarity) else edit.no_identity or NOT_MEASURED
        for edit, similarity in zip(table.edits, similarity_E, strict=True)
    )
    return Identities(similarity_E, reasons)


def _columns(encoders: Sequence[str], wanted: Sequence[str] | None) -> list[int]:
    if wanted is None:
        return list(range(len(encoders)))
    if unknown := [name for name in wanted if name not in encoders]:
        raise InputError(
            f"identity encoders {', '.join(unknown)} measured nothing here: choose from {', '.join(encoders)}"
        )
    return [encoders.index(name) for name in wanted]
