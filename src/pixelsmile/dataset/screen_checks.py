"""The limits of `screen`: what speaks against a row, stage by stage, by the numbers that it has."""

from collections.abc import Iterator
from dataclasses import replace

from pixelsmile.dataset.checks import Check, checks_of
from pixelsmile.dataset.config import FaceSettings
from pixelsmile.dataset.edit_config import ScreenLimits, ScreenSettings
from pixelsmile.dataset.faces import face_checks
from pixelsmile.dataset.rows import Reason, Row
from pixelsmile.expressions import NEUTRAL


def limits_for(settings: ScreenSettings, row: Row) -> ScreenLimits:
    """Those of its kind."""
    found: ScreenLimits = settings.drawn if row.is_drawn else getattr(settings, row.domain)
    return found


def base_checks(base: Row, settings: ScreenSettings) -> Iterator[Check[Reason]]:
    """Whether a base shows what it is labelled with; its edits are rejected for the same."""
    for check in _label_checks(base, limits_for(settings, base), settings.keep_unjudged):
        fault: Reason = check.fault if check.fault == "not judged" else "base not as labelled"
        yield replace(check, what=f"base's {check.what}", fault=fault)


def edit_checks(row: Row, settings: ScreenSettings, faces: FaceSettings) -> Iterator[Check[Reason]]:
    """The five stages, as far as they are an edit's own."""
    limits = limits_for(settings, row)
    yield from _picture_checks(row, limits, faces)
    yield from _label_checks(row, limits, settings.keep_unjudged)
    if is_judged(row, limits):
        yield from checks_of(row, ("score_change", "no change", limits.min_score_change, True))
    yield from checks_of(
        row,
        ("face_change", "no change", limits.min_face_change, True),
        ("identity_cosine", "identity lost", limits.min_identity, True),
        ("background_rmse", "background changed", limits.max_background, False),
        ("agreement", "no agreement", limits.min_agreement, True),
        ("keep_share", "dropped by a person", settings.min_keep_share, True),
    )
    if settings.decisions:
        num, least = row.num_votes or 0, settings.min_votes
        yield Check("num_votes", "no agreement", num, least, True, num >= least)


def sweep_checks(row: Row, settings: ScreenSettings) -> Iterator[Check[Reason]]:
    """An edit among the others of its sweep."""
    limits = limits_for(settings, row)
    yield from checks_of(
        row,
        ("sweep_drop", "not rising", limits.max_drop, False),
        ("step_ratio", "uneven steps", limits.max_step_ratio, False),
    )


def shows(row: Row) -> str | None:
    """The expression that a row is to show; at strength 0 that is none."""
    return NEUTRAL if row.strength == 0 else row.expression


def is_judged(row: Row, limits: ScreenLimits) -> bool:
    """Whether its scores alone say what it shows."""
    return shows(row) == NEUTRAL or row.strength is None or row.strength >= limits.judged_from


def _picture_checks(row: Row, limits: ScreenLimits, faces: FaceSettings) -> Iterator[Check[Reason]]:
    if row.size_share is None:
        yield Check("size_share", "other shape", None, limits.min_size_share or 1, True, False)
    yield from checks_of(row, ("size_share", "picture too small", limits.min_size_share, True))
    num = row.num_faces or 0
    if row.face_px is None:
        yield Check("num_faces", "no face", num, 1, True, False)
        return
    yield Check("num_faces", "several faces", num, 1, False, num == 1 or faces.which == "largest")
    yield from face_checks(row, faces)
    yield from checks_of(
        row,
        ("face_scale", "face size changed", limits.max_face_scale, False),
        ("sharpness_share", "blurred by the edit", limits.min_sharpness_share, True),
    )


def _label_checks(row: Row, limits: ScreenLimits, keep_unjudged: bool) -> Iterator[Check[Reason]]:
    expression = shows(row)
    if expression is None:
        return
    if row.label_score is None:
        yield Check("label_score", "not judged", None, 0, True, keep_unjudged)
    elif expression == NEUTRAL:
        yield from checks_of(row, ("label_score", "not neutral", limits.min_neutral, True))
    elif is_judged(row, limits):
        yield from checks_of(
            row,
            ("label_fit", "too weak", limits.min_fit, True),
            ("label_excess", "too strong", limits.max_excess, False),
            ("other_excess", "other expression", limits.max_other, False),
        )
