"""A small run of FED-Bench for the tests: drawn people, an editor that errs, judges that cost nothing.

    folder = write_fed_run(tmp_path / "run")     run, measured and marked

Each triplet but GOOD has something wrong with it: see TRIPLETS and OddEditor.
"""

import hashlib
import json
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.run_examples import ENCODERS, drawn, score_record, scores_file
from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.fed.triplets import FedTriplet, fed_benchmark
from pixelsmile.benchmarks.run_folder import EditKey, RunFolder
from pixelsmile.benchmarks.runner import GENERAL_STRENGTHS, run_edits
from pixelsmile.benchmarks.scorers.background import BackgroundScorer
from pixelsmile.benchmarks.scorers.change import ChangeScorer
from pixelsmile.benchmarks.scorers.identity import IdentitySettings
from pixelsmile.benchmarks.scorers.judged import (
    MarkersRecord,
    MarkScorer,
    judges_by_component,
    keep_markers,
)
from pixelsmile.benchmarks.scorers.representations import ScoreRepresentation
from pixelsmile.benchmarks.scorers.scorer import Scorer, ScoreRecord, Scoring, keep_record
from pixelsmile.benchmarks.scores import IDENTITY, MARKS, Score
from pixelsmile.editors.editor import Capabilities, EditOutcome, Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.face import Face
from pixelsmile.judges import (
    JudgeIdentity,
    Mark,
    NoVerdict,
    Question,
    Verdict,
    VerdictCache,
)
from pixelsmile.judges.judge import Markers
from pixelsmile.judges.run import Asker
from pixelsmile.store.json_lines import LineWriter

GREY, RED = (128, 128, 128), (255, 0, 0)
SIZE_PX = 64
GOOD, UNWORDED, SAME, SMALLER, FACELESS, DOUBLED, SILENT, UNMADE, RESTING = (
    *("good", "unworded", "same", "smaller", "faceless", "doubled", "silent", "unmade", "resting"),
)


@dataclass(frozen=True)
class DrawnKey:
    """A `Picture` of run_examples."""

    key: EditKey

    def load(self) -> Image.Image:
        return drawn(self.key).image

    def sha256(self) -> str:
        return hashlib.sha256(repr(self.key).encode()).hexdigest()


def triplet(name: str, number: int, expression: str = "happy", **changes) -> FedTriplet:
    source, strength = f"human-{number}", 0.0 if expression == "neutral" else 1.0
    shown = ("sad", 1.0) if expression == "neutral" else ("neutral", 0.0)
    return FedTriplet(
        **{
            "name": name,
            "expression": expression,
            "domain": "human",
            "dense": f"Lift the corners of the mouth, {name}.",
            "simple": f"Make {name} look {expression}.",
            "source": DrawnKey((source, *shown)),
            "truth": DrawnKey((source, expression, strength)),
            **changes,
        }
    )


TRIPLETS = (
    triplet(GOOD, 0),
    triplet(UNWORDED, 1, dense=None),
    triplet(SAME, 2, truth=DrawnKey(("human-2", "neutral", 0.0))),
    triplet(SMALLER, 3),
    triplet(FACELESS, 4),
    triplet(DOUBLED, 5),
    triplet(SILENT, 6),
    triplet(UNMADE, 7),
    triplet(RESTING, 8, "neutral"),
)


class OddEditor:
    """Gives the ground truth where nothing is said about the triplet."""

    capabilities = Capabilities()
    max_concurrency = 1

    def to_record(self) -> dict[str, JsonValue]:
        return {"name": "odd", "kind": "test"}

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        name = task.triplet
        truth = task.truth.load().copy()
        if name == UNMADE:
            raise InputError("I will not: ask another")
        if name == SMALLER:
            truth = truth.resize((48, 48))
        if name == FACELESS:
            truth = Image.new("RGB", truth.size, GREY)
        if name == DOUBLED:
            truth.paste(RED, (0, 0, 1, 1))
        if name == SILENT:
            truth = truth.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        yield EditOutcome(strengths[0], truth)

    async def close(self) -> None:
        """Nothing is held."""


class BoxDetector:
    """One face in the middle of anything but a grey picture; two where the first pixel is red."""

    name = "box"

    def detect(self, image: Image.Image) -> list[Face]:
        if image.getcolors(1) is not None:
            return []
        width, height = image.size
        face = Face((width / 4, height / 4, 3 * width / 4, 3 * height / 4), None, 1.0, self.name)
        corner = Face((0.0, 0.0, width / 4, height / 4), None, 0.9, self.name)
        return [face, corner] if image.getpixel((0, 0)) == RED else [face]


class ExampleJudge:
    """Scores by the light, marks by the question's hash, and nothing about the edit of SILENT."""

    def __init__(self, rubric: str) -> None:
        self.identity = JudgeIdentity("example", "m", rubric, "3" * 64, {})
        self.num_asked = 0

    async def judge(self, question: Question) -> Verdict | Mark | NoVerdict:
        self.num_asked += 1
        edit = list(question.pictures.values())[-1].image
        if edit.tobytes() == silent_edit().tobytes():
            return NoVerdict(self.identity.id, "empty", "nothing was said")
        if self.identity.rubric == "scores":
            return Verdict(self.identity.id, example_scores(edit), "happy", ("an answer",))
        mark = int(question.sha256[:8], 16) % 101 / 10
        return Mark(self.identity.id, mark, f"{self.identity.rubric} {mark}", (json.dumps(mark),))

    async def aclose(self) -> None:
        """Nothing is open."""


def example_scores(image: Image.Image) -> dict[str, float]:
    """From how light the mouth is at twelve places, so that little changes are large ones."""
    width, height = image.size
    mouth = image.crop((width // 4, height // 2, 3 * width // 4, height))
    small = mouth.convert("L").resize((4, 3), Image.Resampling.BOX)
    values = (0.5 + 0.5 * math.sin(value / 4) for value in small.tobytes())
    return dict(zip(EXPRESSIONS, values, strict=True))


def silent_edit() -> Image.Image:
    return drawn(("human-6", "happy", 1.0)).image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def example_markers() -> Markers:
    return Markers(*(ExampleJudge(component) for component in MARKS))


def example_benchmark(triplets: Sequence[FedTriplet] = TRIPLETS) -> Benchmark:
    return fed_benchmark("example", "tests", triplets)


def write_fed_run(path: Path, triplets: Sequence[FedTriplet] = TRIPLETS) -> RunFolder:
    """All of it."""
    begin_fed_run(path, triplets)
    folder = RunFolder(path)
    measure_fed_run(folder)
    mark_fed_run(folder)
    return folder


def begin_fed_run(path: Path, triplets: Sequence[FedTriplet] = TRIPLETS) -> RunFolder:
    benchmark = example_benchmark(triplets)
    with RunFolder.claimed(path) as folder:
        for _ in run_edits(benchmark, OddEditor(), folder, "general", GENERAL_STRENGTHS):
            pass
    return folder


def score_all(folder: RunFolder, scorer: Scorer, **settings) -> list[ScoreRecord]:
    return list(Scoring(folder, scorer, **settings))


def measure_fed_run(folder: RunFolder) -> None:
    """Cosines of .9, .8 and .7 for everybody, and the backgrounds."""
    encoders = dict.fromkeys(ENCODERS, "1" * 64)
    settings = IdentitySettings(detector="box", detector_sha256=None, encoders=encoders)
    keep_record(folder.path / "identity.json", settings)
    cosines = Score(values=dict(zip(ENCODERS, (0.9, 0.8, 0.7), strict=True)))
    with LineWriter(scores_file(folder, IDENTITY)) as lines:
        for edit in folder.edits().values():
            if edit.sha256 is not None:
                lines.write(score_record(edit, cosines))
    score_all(folder, BackgroundScorer(BoxDetector(), None))


def mark_fed_run(folder: RunFolder, markers: Markers | None = None, judge=None) -> None:
    markers, judge = markers or example_markers(), judge or ExampleJudge("scores")
    with VerdictCache(folder.path / "verdicts.sqlite") as cache:
        representation = ScoreRepresentation(Asker(judge, cache))
        keep_markers(folder, MarkersRecord.of(markers, representation.settings.id))
        for component, marker in judges_by_component(markers).items():
            score_all(folder, MarkScorer(component, Asker(marker, cache)))
        score_all(folder, ChangeScorer(representation, max_concurrency=8))
