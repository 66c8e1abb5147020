"""The layouts of FFE-Bench and FED-Bench, a folder a split that `pixelsmile bench` takes as --benchmark.

    test/metadata.jsonl, test/human/, test/anime/       FFE: source, face box, category, prompt
    test/triplets.jsonl, test/sources/, test/truths/    FED: source, truth, class, dense and simple words

Each line says besides where its pictures are from, under which licence, and by which editor.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from pixelsmile.dataset.export.form import ExportPictures, Group, Written, base_of, counted_reasons, edits_of
from pixelsmile.dataset.rows import Row
from pixelsmile.expressions import EXPRESSIONS, FED_BENCH_CLASSES, NEUTRAL, target_prompt

FFE_LINES, FED_LINES = "metadata.jsonl", "triplets.jsonl"
_CLASS_OF = {name: label for label, name in FED_BENCH_CLASSES.items()}
_NO_BASE = "edits without their base"


class FfeForm:
    """A task for each expression that a base was edited to; in a set without edits, one by turns."""

    def __init__(self, pictures: ExportPictures, splits: tuple[str, ...], *, has_edits: bool) -> None:
        self._pictures, self._has_edits = pictures, has_edits
        self._lines = {split: _Lines(pictures.out / split / FFE_LINES) for split in splits}
        self._turns: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def add(self, split: str, group: Group) -> None:
        base = base_of(group)
        if base is None:
            self._left_out[_NO_BASE] += len(group)
            return
        targets = self._targets(base, edits_of(group))
        if not targets:
            self._left_out["bases that nothing is asked of"] += 1
            return
        file = self._pictures.copy(base, f"{split}/{base.domain}").removeprefix(f"{split}/")
        for target in targets:
            asked = {
                "file_name": file,
                "category": target,
                "face_box": base.face_box,
                "prompt": target_prompt(target, base.domain),
                "domain": base.domain,
            }
            self._lines[split].write(asked | _provenance(base))

    def finish(self) -> Written:
        return Written(
            files={split: f"{split}/**" for split in self._lines},
            unit="task",
            counts={split: lines.finish() for split, lines in self._lines.items()},
            left_out=counted_reasons(self._left_out),
            loader="imagefolder",
        )

    def _targets(self, base: Row, edits: list[Row]) -> list[str]:
        if self._has_edits:
            asked = {edit.expression for edit in edits}
            self._left_out["edits to neutral, which FFE-Bench does not ask for"] += sum(
                edit.expression == NEUTRAL for edit in edits
            )
            return [name for name in EXPRESSIONS if name in asked and name != base.expression]
        turn = self._turns[base.domain]
        self._turns[base.domain] += 1
        return [EXPRESSIONS[turn % len(EXPRESSIONS)]]


class FedForm:
    """A triplet for each base and edit to one of the seven classes, the strongest of each look."""

    def __init__(self, pictures: ExportPictures, splits: tuple[str, ...]) -> None:
        self._pictures = pictures
        self._lines = {split: _Lines(pictures.out / split / FED_LINES) for split in splits}
        self._left_out: Counter[str] = Counter()

    def add(self, split: str, group: Group) -> None:
        base, looks = base_of(group), defaultdict[tuple[str | None, str | None], list[Row]](list)
        if base is None:
            self._left_out[_NO_BASE] += len(group)
            return
        for edit in edits_of(group):
            if edit.expression not in _CLASS_OF:
                self._left_out["edits to an expression that FED-Bench lacks"] += 1
            elif not _instructions(edit):
                self._left_out["edits without an instruction"] += 1
            else:
                looks[edit.expression, edit.combination].append(edit)
        for edits in looks.values():
            strongest = max(edit.strength or 0.0 for edit in edits)
            full = [edit for edit in edits if (edit.strength or 0.0) == strongest]
            self._left_out["edits weaker than another of the same look"] += len(edits) - len(full)
            self._write(split, base, full)

    def finish(self) -> Written:
        return Written(
            files={split: f"{split}/{FED_LINES}" for split in self._lines},
            unit="triplet",
            counts={split: lines.finish() for split, lines in self._lines.items()},
            left_out=counted_reasons(self._left_out),
        )

    def _write(self, split: str, base: Row, edits: list[Row]) -> None:
        """Dense and simple words for one picture are one triplet."""
        by_picture: defaultdict[str | None, list[Row]] = defaultdict(list)
        for edit in edits:
            by_picture[edit.sha256].append(edit)
        for same in by_picture.values():
            truth = same[0]
            words = {kind: text for edit in same for kind, text in _instructions(edit).items()}
            asked: dict[str, Any] = {
                "id": truth.id,
                "source": self._pictures.copy(base, f"{split}/sources").removeprefix(f"{split}/"),
                "truth": self._pictures.copy(truth, f"{split}/truths").removeprefix(f"{split}/"),
                "class": _CLASS_OF[truth.expression or ""],
                **words,
                "face_box": base.face_box,
                "domain": base.domain,
                "source_class": base.expression,
                "strength": truth.strength,
            }
            self._lines[split].write(
                asked | _provenance(base) | {"editor": truth.editor, "judge": truth.judge}
            )


def _instructions(edit: Row) -> dict[str, str]:
    """Dense and simple words, or the prompt as what it is."""
    both = {"dense": edit.dense, "simple": edit.simple}
    known = {kind: text for kind, text in both.items() if text is not None}
    return known or ({} if edit.prompt is None else {edit.granularity or "simple": edit.prompt})


class _Lines:
    """JSON lines that are written one after the other; there even where there are none."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._num = 0

    def write(self, record: dict[str, Any]) -> None:
        known = {key: value for key, value in record.items() if value is not None}
        self._file.write(json.dumps(known, ensure_ascii=False, allow_nan=False) + "\n")
        self._num += 1

    def finish(self) -> int:
        self._file.close()
        return self._num


def _provenance(row: Row) -> dict[str, Any]:
    """Of the source picture. Its keys are none that readers of benchmarks take for another."""
    return {
        "row": row.id,
        "from_source": row.source,
        "from_key": row.key,
        "origin": row.origin,
        "licence": row.licence,
        "person": row.person,
        "sha256": row.sha256,
    }
