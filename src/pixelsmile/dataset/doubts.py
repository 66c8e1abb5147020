"""Doubts: whether what judges say of a picture fits together, and fits what the picture is meant to show.

Nothing is rejected here. Every number is measured before any is compared, as with faces.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pixelsmile.dataset.config import AnnotateSettings
from pixelsmile.dataset.rows import Doubt, Row
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges.judge import SeenExpression

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
AGES = ("child", "teen", "young_adult", "adult", "middle_aged", "senior")
TONES = ("very_light", "light", "medium", "dark", "very_dark")
_GENDERS = ("male", "female")
# Those that statistics know.
SEVEN: tuple[SeenExpression, ...] = ("neutral", "happy", "sad", "angry", "surprised", "fear", "disgust")
_PLAIN = 0.5  # from this strength on an expression is plain to see


@dataclass(frozen=True)
class Comparison:
    """One number of a row and the limit that it is held against; words: what it is."""

    doubt: Doubt
    words: str
    measured: float
    limit: float
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether there is nothing to doubt."""
        return self.measured >= self.limit if self.is_least else self.measured <= self.limit


def doubts(row: Row, base: Row | None, settings: AnnotateSettings) -> tuple[Doubt, ...]:
    """What there is to doubt about an annotated row. base: of an edit, the row that was edited."""
    found: list[Doubt] = []
    if row.scores is None:
        found.append("no verdict")
    elif row.expression in EXPRESSIONS and row.scores[EXPRESSIONS.index(row.expression)] is None:
        found.append("not judged")
    found += [one.doubt for one in comparisons(row, base, settings) if not one.is_met]
    return tuple(dict.fromkeys(found))


def comparisons(row: Row, base: Row | None, settings: AnnotateSettings) -> Iterator[Comparison]:
    """Every limit that applies to a row."""
    scores = judged(row)
    if scores:
        yield from _against_label(row, scores, settings)
        yield from _together(scores, settings)
    if row.agreement is not None and settings.min_agreement is not None:
        yield Comparison("judges disagree", "agreement", row.agreement, settings.min_agreement, True)
    if row.confidence is not None and settings.min_confidence is not None:
        yield Comparison("low confidence", "confidence", row.confidence, settings.min_confidence, True)
    yield from _statistics(row, base)


def judged(row: Row) -> dict[str, float]:
    """The scores that there are, by expression."""
    pairs = zip(EXPRESSIONS, row.scores or (), strict=row.scores is not None)
    return {name: score for name, score in pairs if score is not None}


def confidence(scores: Sequence[float], agreement: float | None) -> float:
    """How sure it is what a picture shows: 0 for a toss-up, or for judges who contradict each other.

    How far the highest score stands out: 1 - second / first; or 1 - first, as of a face at rest, if that is
    more. Of several judges no more than they agree.
    """
    second, first = sorted((0.0, 0.0, *scores))[-2:]
    stands_out = max(1 - first, 1 - second / first if first > 0 else 1.0)
    return round(stands_out if agreement is None else min(stands_out, agreement), 4)


def _against_label(row: Row, scores: dict[str, float], settings: AnnotateSettings) -> Iterator[Comparison]:
    highest = max(scores, key=lambda name: scores[name])
    if row.expression == NEUTRAL:
        if settings.max_neutral is not None:
            yield Comparison(
                "not neutral", f"{highest} of a neutral face", scores[highest], settings.max_neutral
            )
    elif row.expression in scores:
        label = scores[row.expression]
        if settings.max_lead is not None:
            lead = round(scores[highest] - label, 4)
            words = f"lead of {highest} over {row.expression}"
            yield Comparison("other expression", words, lead, settings.max_lead)
        if settings.max_strength_error is not None and row.strength is not None:
            asked = min(row.strength, 1.0)
            words = f"{row.expression} {label:g} against {asked:g}, difference"
            doubt: Doubt = "weaker than asked" if label < asked else "stronger than asked"
            yield Comparison(doubt, words, round(abs(label - asked), 4), settings.max_strength_error)


def _together(scores: dict[str, float], settings: AnnotateSettings) -> Iterator[Comparison]:
    known = [(min(scores[a], scores[b]), a, b) for a, b in CONTRADICTIONS if a in scores and b in scores]
    if known and settings.max_contradiction is not None:
        both, a, b = max(known)
        yield Comparison("contradicting scores", f"both {a} and {b}", both, settings.max_contradiction)


def _statistics(row: Row, base: Row | None) -> Iterator[Comparison]:
    """Expressions are the same or not; of ages and skin tones neighbours are the same."""
    seen = row.statistics_expression
    if seen in (NEUTRAL, *EXPRESSIONS) and row.expression in (NEUTRAL, *EXPRESSIONS):
        # The statistics know seven; another one may look like any of them.
        is_other = seen != row.expression and row.expression in SEVEN and (row.strength or 1) >= _PLAIN
        yield Comparison("statistics disagree", f"seen as {seen}, not {row.expression}", float(is_other), 0)
    if base is None:
        return
    for what, order, limit in (("gender", _GENDERS, 0), ("age_group", AGES, 1), ("skin_tone", TONES, 1)):
        here, there = getattr(row, what), getattr(base, what)
        if here in order and there in order:
            steps = abs(order.index(here) - order.index(there))
            yield Comparison("person differs", f"{what} {here}, base {there}, steps", steps, limit)


def panel_agreement(panel: Sequence[Sequence[float | None]]) -> float | None:
    """1 less the largest difference of two judges' scores of one expression; None where no two judged one."""
    differences = [
        abs(a - b)
        for one, other in itertools.combinations(panel, 2)
        for a, b in zip(one, other, strict=True)
        if a is not None and b is not None
    ]
    return round(1 - max(differences), 4) if differences else None
