"""Preferences: of two edits of one base towards one expression, which is the better, and for what reason.

The better one was kept, the other failed in one stage of the screen and in nothing else: a near miss.

    train.jsonl                a line each: base, prompt, chosen edit, rejected edit, and what that lacks
    pictures/, provenance.csv  as with triplets
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

from pixelsmile.dataset.export.form import ExportPictures, Written
from pixelsmile.dataset.export.provenance import PROVENANCE, Provenance
from pixelsmile.dataset.export.splits import Splits
from pixelsmile.dataset.rows import Reason, Row
from pixelsmile.dataset.screen import JOINED
from pixelsmile.dataset.step_folder import StepFolder

# Of the screen's reasons, which stage says so. Bases that are wrong and copies of other edits prefer nothing.
STAGES: dict[Reason, str] = {
    "other shape": "picture",
    "picture too small": "picture",
    "no face": "picture",
    "several faces": "picture",
    "face too small": "picture",
    "turned away": "picture",
    "bent": "picture",
    "tilted": "picture",
    "no pose": "picture",
    "blurred": "picture",
    "too dark": "picture",
    "too bright": "picture",
    "clipped": "picture",
    "poor quality": "picture",
    "face size changed": "picture",
    "blurred by the edit": "picture",
    "too weak": "expression",
    "too strong": "expression",
    "not neutral": "expression",
    "other expression": "expression",
    "no change": "expression",
    "identity lost": "identity",
    "background changed": "background",
    "dropped by a person": "agreement",
    "no agreement": "agreement",
    "not rising": "sweep",
}


@dataclass(frozen=True)
class Preference:
    """chosen and rejected: edits of `base` towards one expression. prompt: of the chosen one.

    stage: the one that the rejected edit failed in.
    """

    base: Row
    prompt: str | None
    chosen: Row
    rejected: Row
    stage: str


def preferences(screen: StepFolder) -> Iterator[Preference]:
    """All of a finished screen, in the order of its rows; one for each near miss that has a better one."""
    shard = 0
    while screen.has(shard):
        kept, rejected = screen.rows(shard), screen.rows(shard, rejected=True)
        misses = {group: list(rows) for group, rows in groupby(rejected, key=lambda row: row.group)}
        for group, rows in groupby(kept, key=lambda row: row.group):
            base, *edits = rows
            if base.base is None:
                yield from _of_group(base, edits, misses.get(group, []))
        shard += 1


def failed_stage(row: Row) -> str | None:
    """The one stage that a rejected edit failed in; None where there is another fault too."""
    stages = {STAGES.get(reason) for reason in _reasons(row)}
    return stages.pop() if len(stages) == 1 else None


def _of_group(base: Row, edits: list[Row], misses: Iterable[Row]) -> Iterator[Preference]:
    for miss in misses:
        better = [edit for edit in edits if edit.expression == miss.expression]
        stage = failed_stage(miss)
        if better and stage is not None:
            chosen = min(better, key=lambda edit: _distance(edit, miss))
            yield Preference(base, chosen.prompt, chosen, miss, stage)


def _distance(edit: Row, miss: Row) -> tuple[bool, float, bool]:
    """The nearest was asked for in the same words, or else for a similar strength, then the same look."""
    strengths = [1.0 if row.strength is None else row.strength for row in (edit, miss)]
    return edit.prompt != miss.prompt, abs(strengths[0] - strengths[1]), edit.combination != miss.combination


def _reasons(row: Row) -> list[Reason]:
    words = () if row.faults is None else row.faults.split(JOINED)
    return [reason for reason in STAGES if reason in words] if set(words) <= set(STAGES) else []


def write_preferences(pictures: ExportPictures, splits: Splits, found: Iterable[Preference]) -> Written:
    """A line for each preference: base, prompt, chosen, rejected, and what the rejected one lacks."""
    counts, files = dict.fromkeys(splits.names, 0), {}
    with ExitStack() as stack:
        provenance = stack.enter_context(Provenance(pictures.out / PROVENANCE))
        for split in splits.names:
            files[split] = stack.enter_context((pictures.out / f"{split}.jsonl").open("w", encoding="utf-8"))
        for one in found:
            names = {}
            for role, row in (("base", one.base), ("chosen", one.chosen), ("rejected", one.rejected)):
                names[role] = pictures.keep(row)
                provenance.add(names[role], row)
            line = names | {
                "prompt": one.prompt,
                "expression": one.chosen.expression,
                "stage": one.stage,
                "reason": one.rejected.reason,
                "domain": one.base.domain,
                "identity": one.base.person,
            }
            split = splits[one.base]
            counts[split] += 1
            files[split].write(json.dumps(line, ensure_ascii=False) + "\n")
    return Written({split: f"{split}.jsonl" for split in counts}, "preference", counts, loader="json")
