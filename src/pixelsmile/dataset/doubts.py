"""Doubts: whether what judges say of a picture fits together, and fits what the picture is meant to show.

Nothing is rejected here. Every number is measured before any is compared, as with faces.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import get_args

from pixelsmile.dataset.checks import Check, compared
from pixelsmile.dataset.edit_config import AnnotateSettings
from pixelsmile.dataset.rows import LABELS, Doubt, Row
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges.judge import AgeGroup, SeenExpression, SkinTone

# Expressions that pull one part of the face two ways, corners of the mouth, lids or brows, or that look away
# and straight ahead.
CONTRADICTIONS = (
    ("happy", "sad"),
    ("happy", "angry"),
    ("happy", "disgust"),
    ("happy", "fear"),
    ("sleepy", "surprised"),
    ("sleepy", "fear"),
    ("sleepy", "angry"),
    ("confident", "sad"),
    ("confident", "fear"),
    ("confident", "shy"),
    ("confident", "anxious"),
)
# In order, so that neighbours are told from strangers: two judges rarely part young adults from adults alike.
AGES = tuple(age for age in get_args(AgeGroup) if age != "unknown")
TONES = tuple(tone for tone in get_args(SkinTone) if tone != "unknown")
SEEN: tuple[SeenExpression, ...] = get_args(SeenExpression)  # some of ours, and `other`
_GENDERS = ("male", "female")
_PLAIN = 0.5  # from this strength on an expression is plain to see


def doubts(row: Row, base: Row | None, settings: AnnotateSettings) -> tuple[Doubt, ...]:
    """What there is to doubt about an annotated row. base: of an edit, the row that was edited."""
    found: list[Doubt] = []
    if row.scores is None:
        found.append("no verdict")
    elif row.expression in EXPRESSIONS and row.scores[EXPRESSIONS.index(row.expression)] is None:
        found.append("not judged")
    found += [one.fault for one in doubt_checks(row, base, settings) if not one.is_met]
    return tuple(dict.fromkeys(found))


def doubt_checks(row: Row, base: Row | None, settings: AnnotateSettings) -> Iterator[Check[Doubt]]:
    """Every limit that applies to a row."""
    scores = row.judged
    if scores:
        yield from _against_label(row, scores, settings)
        yield from _together(scores, settings)
    if row.agreement is not None and settings.min_agreement is not None:
        yield compared("agreement", "judges disagree", row.agreement, settings.min_agreement, is_least=True)
    if row.confidence is not None and settings.min_confidence is not None:
        yield compared("confidence", "low confidence", row.confidence, settings.min_confidence, is_least=True)
    yield from _statistics(row, base)


def confidence(scores: Sequence[float], agreement: float | None) -> float:
    """How sure it is what a picture shows: 0 for a toss-up, or for judges who contradict each other.

    How far the highest score stands out: 1 - second / first; or 1 - first, as of a face at rest, if that is
    more. Of several judges no more than they agree.
    """
    second, first = sorted((0.0, 0.0, *scores))[-2:]
    stands_out = max(1 - first, 1 - second / first if first > 0 else 1.0)
    return round(stands_out if agreement is None else min(stands_out, agreement), 4)


def _against_label(row: Row, scores: dict[str, float], settings: AnnotateSettings) -> Iterator[Check[Doubt]]:
    highest = max(scores, key=lambda name: scores[name])
    if row.expression == NEUTRAL:
        if settings.max_neutral is not None:
            yield compared(
                f"{highest} of a neutral face", "not neutral", scores[highest], settings.max_neutral
            )
    elif row.expression in scores:
        label = scores[row.expression]
        if settings.max_lead is not None:
            lead = round(scores[highest] - label, 4)
            words = f"lead of {highest} over {row.expression}"
            yield compared(words, "other expression", lead, settings.max_lead)
        if settings.max_strength_error is not None and row.strength is not None:
            asked = min(row.strength, 1.0)
            words = f"{row.expression} {label:g} against {asked:g}, difference"
            doubt: Doubt = "weaker than asked" if label < asked else "stronger than asked"
            yield compared(words, doubt, round(abs(label - asked), 4), settings.max_strength_error)


def _together(scores: dict[str, float], settings: AnnotateSettings) -> Iterator[Check[Doubt]]:
    known = [(min(scores[a], scores[b]), a, b) for a, b in CONTRADICTIONS if a in scores and b in scores]
    if known and settings.max_contradiction is not None:
        both, a, b = max(known)
        yield compared(f"both {a} and {b}", "contradicting scores", both, settings.max_contradiction)


def _statistics(row: Row, base: Row | None) -> Iterator[Check[Doubt]]:
    """Expressions are the same or not; of ages and skin tones neighbours are the same."""
    seen = row.statistics_expression
    if seen in LABELS and row.expression in LABELS:
        # The statistics know seven; another one may look like any of them.
        is_plain = row.strength is None or row.strength >= _PLAIN
        is_other = seen != row.expression and row.expression in SEEN and is_plain
        yield compared(f"seen as {seen}, not {row.expression}", "statistics disagree", float(is_other), 0)
    if base is None:
        return
    for what, order, limit in (("gender", _GENDERS, 0), ("age_group", AGES, 1), ("skin_tone", TONES, 1)):
        here, there = getattr(row, what), getattr(base, what)
        if here in order and there in order:
            steps = abs(order.index(here) - order.index(there))
            yield compared(f"{what} {here}, base {there}, steps", "person differs", steps, limit)


def panel_agreement(panel: Sequence[Sequence[float | None]]) -> float | None:
    """1 less the largest difference of two judges' scores of one expression; None where no two judged one."""
    differences = [
        abs(a - b)
        for one, other in itertools.combinations(panel, 2)
        for a, b in zip(one, other, strict=True)
        if a is not None and b is not None
    ]
    return round(1 - max(differences), 4) if differences else None
