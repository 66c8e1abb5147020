"""What a data set holds, in numbers: counts of every reason, sizes, people, and what annotation found.

Shape suffixes: J judges, U pictures, E expressions.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from pixelsmile.dataset.doubts import AGES, TONES
from pixelsmile.dataset.folder import step_folders
from pixelsmile.dataset.rows import LABELS, STATISTICS, Row
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges.agreement import Alpha, score_alphas
from pixelsmile.judges.judge import Reason

_CATEGORIES = (*STATISTICS, "statistics_expression")
_REASONS = re.compile(rf"(?:^|; )({'|'.join(get_args(Reason))}): ")  # before what was said
_NUM_DIGITS = 3
_SHARES = (0.05, 0.5, 0.95)


def statistics(folder: Path) -> dict[str, Any]:
    """Numbers of a data set, as JSON has them. InputError where there is none.

    steps: of each, whether it is finished, and its counts by domain. kept: of what the last finished step has
    left, by domain: pictures, people, the most pictures of one person, quantiles of sides and faces,
    licences. annotated: `annotation_statistics` of what annotate has left and rejected.
    """
    steps, last, annotated = [], None, None
    for step_folder in step_folders(folder):
        manifest = step_folder.manifest()
        counts = step_folder.counts() if manifest is None else manifest.counts
        steps.append({"step": step_folder.name, "finished": manifest is not None, "counts": counts})
        last = last if manifest is None else step_folder
        if step_folder.name == "annotate":
            annotated = annotation_statistics(step_folder.every_row())
    kept = {} if last is None else _kept(last)
    return {
        "folder": str(folder),
        "steps": steps,
        "last": None if last is None else last.name,
        "kept": kept,
        **({} if annotated is None else {"annotated": annotated}),
    }


def annotation_statistics(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Numbers of annotated rows by domain, as JSON has them.

    judges: how many pictures each has looked at. no_verdict, no_statistics, doubts: counts of each reason.
    labels: by expression, how many pictures, the mean strength that was asked for, the mean score of the
    label, and the share whose judge names it. confidence: quantiles. statistics: counts of each category's
    values. people_that_differ: of those with several pictures, how many are not of one gender, age and skin
    over all of them. panel: Krippendorff's alpha of several judges, by expression and over `all`.
    """
    found: dict[str, _Summary] = {}
    for row in rows:
        found.setdefault(row.domain, _Summary()).add(row)
    return {domain: summary.record() for domain, summary in sorted(found.items())}


@dataclass
class _Label:
    """Of the pictures with one label; `scored` of them were judged on it."""

    num: int = 0
    asked: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    num_same: int = 0


@dataclass
class _Summary:
    """What is kept of the rows of a domain: of each some numbers, and never the row."""

    num: int = 0
    num_doubted: int = 0
    judges: Counter[str] = field(default_factory=Counter)
    no_verdict: Counter[str] = field(default_factory=Counter)
    no_statistics: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    labels: defaultdict[str, _Label] = field(default_factory=lambda: defaultdict(_Label))
    confidence: "array[float]" = field(default_factory=lambda: array("f"))
    statistics: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in _CATEGORIES}
    )
    people: defaultdict[str, "_Person"] = field(default_factory=lambda: defaultdict(_Person))
    panel: "array[float]" = field(default_factory=lambda: array("f"))
    panel_people: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.num += 1
        self.judges[row.judge or "nobody"] += 1
        self.doubts.update(row.doubts or ())
        self.num_doubted += bool(row.doubts)
        if row.no_verdict is not None:
            self.no_verdict[_reason(row.no_verdict)] += 1
        if row.no_statistics is not None:
            self.no_statistics[_reason(row.no_statistics)] += 1
        if row.confidence is not None:
            self.confidence.append(row.confidence)
        for name in _CATEGORIES:
            if (value := getattr(row, name)) is not None:
                self.statistics[name][value] += 1
        self._add_label(row)
        if row.statistician is not None and row.no_statistics is None:
            self.people[row.person or row.id].add(row)
        if row.panel_scores is not None:
            self.panel.extend(np.nan if score is None else score for score in row.panel_scores)
            self.panel_people.append(row.person or row.id)

    def record(self) -> dict[str, Any]:
        several = [person for person in self.people.values() if person.num > 1]
        return {
            "pictures": self.num,
            "doubted": self.num_doubted,
            "judges": dict(self.judges.most_common()),
            "no_verdict": dict(self.no_verdict.most_common()),
            "doubts": dict(self.doubts.most_common()),
            "labels": {name: self._label(name) for name in LABELS if name in self.labels},
            "confidence": _quantiles(self.confidence, _NUM_DIGITS),
            "statistics": {name: dict(c.most_common()) for name, c in self.statistics.items() if c},
            "no_statistics": dict(self.no_statistics.most_common()),
            "people_with_several": len(several),
            "people_that_differ": sum(person.differs for person in several),
            "panel": {name: asdict(alpha) for name, alpha in self._alphas().items()},
        }

    def _add_label(self, row: Row) -> None:
        if row.expression is None:
            return
        label = self.labels[row.expression]
        label.num += 1
        if row.strength is not None and row.expression != NEUTRAL:
            label.asked.append(row.strength)
        scores = row.judged
        if row.expression == NEUTRAL and scores:
            label.scores.append(max(scores.values()))
        elif row.expression in scores:
            label.scores.append(scores[row.expression])
        label.num_same += bool(scores) and row.dominant == row.expression

    def _label(self, name: str) -> dict[str, Any]:
        label = self.labels[name]
        return {
            "pictures": label.num,
            "judged": len(label.scores),
            "asked": _mean(label.asked),
            "score": _mean(label.scores),
            "same": _mean([float(label.num_same / len(label.scores))]) if label.scores else None,
        }

    def _alphas(self) -> dict[str, Alpha]:
        if not self.panel_people:
            return {}
        table_UJE = np.array(self.panel).reshape(len(self.panel_people), -1, len(EXPRESSIONS))
        return score_alphas(table_UJE.transpose(1, 0, 2), self.panel_people)


@dataclass
class _Person:
    """What the statistics of one person's pictures say."""

    num: int = 0
    genders: set[str] = field(default_factory=set)
    ages: set[int] = field(default_factory=set)
    tones: set[int] = field(default_factory=set)

    def add(self, row: Row) -> None:
        self.num += 1
        if row.gender in ("male", "female"):
            self.genders.add(row.gender)
        if row.age_group in AGES:
            self.ages.add(AGES.index(row.age_group))
        if row.skin_tone in TONES:
            self.tones.add(TONES.index(row.skin_tone))

    @property
    def differs(self) -> bool:
        """As for the doubt of a single edit: neighbours are the same."""
        spreads = [max(steps) - min(steps) for steps in (self.ages, self.tones) if steps]
        return len(self.genders) > 1 or any(spread > 1 for spread in spreads)


def _reason(words: str) -> str:
    """Each of several judges' reasons without what it said."""
    return "; ".join(dict.fromkeys(_REASONS.findall(words)))


def _mean(numbers: list[float]) -> float | None:
    return round(float(np.mean(numbers)), _NUM_DIGITS) if numbers else None


def _kept(step_folder: StepFolder) -> dict[str, Any]:
    rows: dict[str, list[tuple[int, float]]] = {}
    people: dict[str, Counter[str]] = {}
    licences: dict[str, Counter[str]] = {}
    for row in step_folder.all_rows():
        side = min(row.width_px or 0, row.height_px or 0)
        rows.setdefault(row.domain, []).append((side, row.face_px or 0.0))
        licences.setdefault(row.domain, Counter())[row.licence or "not said"] += 1
        if row.person is not None:
            people.setdefault(row.domain, Counter())[row.person] += 1
    found = {}
    for domain, sizes in sorted(rows.items()):
        known = people.get(domain, Counter())
        sides = tuple(side for side, _ in sizes)
        faces = tuple(face for _, face in sizes if face)  # of edits nobody has measured one
        found[domain] = {
            "pictures": len(sizes),
            "people": len(known) or None,
            "most_pictures_of_a_person": max(known.values(), default=None),
            "side_px": _quantiles(sides, 1),
            "face_px": _quantiles(faces, 1),
            "licences": dict(licences[domain].most_common()),
        }
    return found


def _quantiles(numbers: Sequence[float], num_digits: int) -> list[float] | None:
    """The 5th, 50th and 95th percentile; None of no numbers."""
    if not numbers:
        return None
    return [round(float(number), num_digits) for number in np.quantile(np.array(numbers), _SHARES)]
