"""A run of FED-Bench for the tests: drawn triplets and edits, components made up by the name of the editor.

    results = fed_results(tmp_path / "copy", "copy")    5 triplets, dense and simple

FACELESS has no ID and no BG; 2x makes nothing of the last triplet.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelsmile.benchmarks.fed.changes import ChangeRecord
from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.fed.representations import RepresentationSettings
from pixelsmile.benchmarks.fed.results import FedMissing, FedResults, ScoredEdit
from pixelsmile.benchmarks.metrics import Bootstrap, FedComponents, FedEdit, fed_scores, fed_summarise
from pixelsmile.benchmarks.metrics.fed_score import load_normalisation
from pixelsmile.benchmarks.metrics.fed_summary import COMPONENTS, DIMENSIONS
from pixelsmile.benchmarks.run_folder import EditRecord, RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.editors.sanity import SanityEditor
from pixelsmile.expressions import EXPRESSIONS

NUM_TRIPLETS = 5  # the last asks for a neutral face, which 2x refuses
QUICK = Bootstrap(num_replicates=100)
FACELESS = 1  # the place of the task
NO_FACE = "no face found"
NASTY = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'

# ID, BG, PQ, SC, GTA, REG of each editor; a little is taken off for every task, so that tasks differ.
PARTS: Mapping[str, tuple[float, ...]] = {
    "truth": (0.7, 2.0, 10.0, 9.5, 10.0, 1.0),
    "copy": (1.0, 0.0, 10.0, 0.5, 2.0, 0.0),
    "2x": (0.5, 3.0, 9.0, 7.0, 5.0, 2.0),
}


def fed_results(path: Path, editor: str, num_triplets: int = NUM_TRIPLETS, **changed: Any) -> FedResults:
    """The results of that sanity editor on the first drawn triplets; `changed` replaces parts of them."""
    benchmark = drawn_fed_benchmark(num_triplets)
    with RunFolder.claimed(path) as folder:
        for _ in run_edits(benchmark, SanityEditor(editor), folder, "general", (1.0,)):
            pass
    return made_up(folder, editor, **changed)


def made_up(folder: RunFolder, editor: str, **changed: Any) -> FedResults:
    """Results of the run in `folder` with the components of PARTS."""
    spec, made = folder.spec(), folder.edits()
    edits = tuple(
        _scored(task, made[task.source, task.target, 1.0], editor, place)
        for place, task in enumerate(spec.fed_tasks)
    )
    found = FedResults(
        folder=folder,
        spec=spec,
        judge_id="example:marks",
        markers={"quality": {"id": "example:marks", "rubric": "fed-quality-1"}},
        identity_encoders=("arcface",),
        likeness=None,
        background=None,
        representation=RepresentationSettings(kind="scores", names=EXPRESSIONS, parameters={}),
        edits=edits,
        missing=FedMissing({"dense": 0, "simple": 0}, {}, {"identity": {NO_FACE: 1}}),
        summary=fed_summarise((each.edit for each in edits), bootstrap=QUICK),
        by_domain={},
    )
    return replace(found, **changed)


def _scored(task: Any, record: EditRecord, editor: str, place: int) -> ScoredEdit:
    identity, background, quality, consistency, alignment, gain = PARTS[editor]
    values: dict[str, float | None] = dict(
        zip(
            COMPONENTS,
            (
                identity,
                background,
                quality,
                max(consistency - 0.1 * place, 0.0),
                alignment,
                gain + 0.02 * place,
            ),
            strict=True,
        )
    )
    reasons = {}
    if record.file is None:
        values, reasons = dict.fromkeys(COMPONENTS), dict.fromkeys(COMPONENTS, str(record.failure))
    elif place == FACELESS:
        reasons = dict.fromkeys(("identity", "background"), NO_FACE)
        values |= dict.fromkeys(reasons)
    numbers = {name: float("nan") if value is None else value for name, value in values.items()}
    scores = fed_scores(FedComponents(**numbers), load_normalisation())  # type: ignore[arg-type]
    parts = (scores.fidelity, scores.alignment, scores.gain)
    return ScoredEdit(
        task=task,
        edit=FedEdit(task.triplet, task.target, task.granularity, values, reasons),
        words={"quality": "clean", "consistency": NASTY, "truth_alignment": "near enough"},
        file=record.file,
        dimensions={name: _known(part) for name, part in zip(DIMENSIONS, parts, strict=True)},
        score=_known(scores.score),
        change=_change(record, gain),
    )


def _change(record: EditRecord, gain: float) -> ChangeRecord | None:
    if record.sha256 is None:
        return None
    return ChangeRecord(
        source=record.source,
        target=record.target,
        strength=record.strength,
        edit_sha256=record.sha256,
        change=gain * 0.8,
        expected=0.8,
        seen={"edit": tuple(round(1 - place / 11, 3) for place in range(12))},
    )


def _known(value: Any) -> float | None:
    return None if float(value) != float(value) else float(value)
