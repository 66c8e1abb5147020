"""A run of FED-Bench for the tests: drawn triplets and edits, components made up by the name of the editor.

    results = fed_results(tmp_path / "copy", "copy")    5 triplets, dense and simple

FACELESS has no ID and no BG; 2x makes nothing of the last triplet.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.fed.results import FedMissing, FedResults
from pixelsmile.benchmarks.metrics.fed_score import (
    COMPONENTS,
    fed_summarise,
    load_normalisation,
    with_fed_scores,
)
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.run_folder import EditRecord, RunFolder
from pixelsmile.benchmarks.runner import run_edits
from pixelsmile.benchmarks.scorers.representations import RepresentationSettings
from pixelsmile.benchmarks.scores import CHANGE, MARKS, Score, ScoredEdit
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
    constants = load_normalisation()
    edits = with_fed_scores(
        [
            _scored(task, made[task.source, task.target, 1.0], editor, place)
            for place, task in enumerate(spec.tasks)
        ],
        constants,
    )
    found = FedResults(
        folder=folder,
        spec=spec,
        judge_id="example:marks",
        markers={"quality": {"id": "example:marks", "rubric": "fed-quality-1"}},
        identity_encoders=("arcface",),
        identity=None,
        background=None,
        representation=RepresentationSettings(kind="scores", names=EXPRESSIONS, parameters={}),
        edits=edits,
        missing=FedMissing({"dense": 0, "simple": 0}, {}, {"identity": {NO_FACE: 1}}),
        summary=fed_summarise(edits, constants, QUICK),
        by_domain={},
        further={},
    )
    return replace(found, **changed)


def _scored(task: Any, record: EditRecord, editor: str, place: int) -> ScoredEdit:
    if record.file is None:
        return ScoredEdit(task, unmade=str(record.failure))
    identity, background, quality, consistency, alignment, gain = PARTS[editor]
    judged = quality, max(consistency - 0.1 * place, 0.0), alignment
    values = dict(zip(COMPONENTS, (identity, background, *judged, gain + 0.02 * place), strict=True))
    words = dict(zip(MARKS, ("clean", NASTY, "near enough"), strict=True))
    scores = {
        name: Score(values={name: value}, explanation=words.get(name, "")) for name, value in values.items()
    }
    if place == FACELESS:
        scores |= dict.fromkeys(("identity", "background"), Score(unscored=NO_FACE))
    seen = [round(1 - place / 11, 3) for place in range(12)]
    lengths = {"change": gain * 0.8, "expected": 0.8}
    scores[CHANGE] = Score(values=lengths, metadata={"seen": {"edit": seen}})
    return ScoredEdit(task, scores=scores, file=record.file)
