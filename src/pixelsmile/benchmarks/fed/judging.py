"""What is scored of a run of FED-Bench, and how far that has come: marks, and the other components."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pixelsmile.benchmarks.fed.results import fed_edits, identity_encoders
from pixelsmile.benchmarks.metrics.fed_score import COMPONENTS, SCORE, load_normalisation
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.background import BackgroundScorer, OtherSizes
from pixelsmile.benchmarks.scorers.change import ChangeScorer, representations_of
from pixelsmile.benchmarks.scorers.drawn import DamageScorer, Portraits
from pixelsmile.benchmarks.scorers.identity import IdentityScorer, IdentitySettings
from pixelsmile.benchmarks.scorers.judged import JudgePass, MarkersRecord, MarkScorer, judges_by_component
from pixelsmile.benchmarks.scorers.representations import ExpressionRepresentation, ScoreRepresentation
from pixelsmile.benchmarks.scorers.scorer import Scorer, settings_at
from pixelsmile.benchmarks.scores import IDENTITY, MARKS, counts
from pixelsmile.judges.judge import Judge, Markers
from pixelsmile.judges.run import Asker

if TYPE_CHECKING:
    from pixelsmile.faces.likeness import LikenessMeter

SCORES = "scores"  # the pass of a judge by whose scores REG is measured


def fed_measures(
    meter: "LikenessMeter",
    sizes: OtherSizes = "unscored",
    representation: ExpressionRepresentation | None = None,
    portraits: Portraits | None = None,
) -> dict[str, Scorer]:
    """What needs no judge, by what is being done.

    representation: what changes are measured by. portraits: the sources, where they are drawn and damage is
    measured.
    """
    scorers: dict[str, Scorer] = {"comparing faces": IdentityScorer(meter)} if meter.encoders else {}
    scorers["comparing backgrounds"] = BackgroundScorer(meter.detector, meter.detector_sha256, sizes)
    if representation is not None:
        scorers["measuring changes"] = ChangeScorer(representation)
    if portraits:
        scorers["looking for damage"] = DamageScorer(portraits)
    return scorers


def fed_marks(
    markers: Markers,
    judge: Judge | None,
    asker: Callable[[Judge], Asker],
    max_concurrency: int = 8,
    representation: ExpressionRepresentation | None = None,
) -> tuple[MarkersRecord, dict[str, tuple[Scorer, Asker]]]:
    """The passes of a judge by name, each with who is asked in it, and the record of who marks together.

    judge: by whose scores changes are measured; None where that is `representation`, or they are not.
    """
    passes: dict[str, tuple[Scorer, Asker]] = {}
    for component, marker in judges_by_component(markers).items():
        asked = asker(marker)
        passes[component] = MarkScorer(component, asked, max_concurrency), asked
    if judge is not None:
        asked = asker(judge)
        representation = ScoreRepresentation(asked)
        passes[SCORES] = ChangeScorer(representation, max_concurrency), asked
    measured = None if representation is None else representation.settings.id
    return MarkersRecord.of(markers, measured), passes


@dataclass(frozen=True)
class ComponentStatus:
    """How many edits have a component, and how many lack it, by reason."""

    num_scored: int
    unscored: Mapping[str, int]


@dataclass(frozen=True)
class FedStatus:
    """How far a run of FED-Bench has come, by one judge and what is measured beside it.

    num_scored: tasks with all six components. components, asked: by their names, and by those of passes.
    """

    run: str
    judge: str
    representation: str | None
    num_tasks: int
    num_made: int
    num_scored: int
    components: Mapping[str, ComponentStatus]
    asked: Mapping[str, JudgePass]
    remark: str = ""  # what the judge says of itself

    @classmethod
    def of(cls, folder: RunFolder, record: MarkersRecord, asked: Mapping[str, JudgePass]) -> "FedStatus":
        """What is on disk now."""
        measure = representations_of(folder).get(record.representation or "")
        encoders = identity_encoders(settings_at(folder, IDENTITY, IdentitySettings), None)
        edits = fed_edits(folder, record, measure, encoders, load_normalisation())
        return cls(
            run=str(folder.path),
            judge=record.id,
            representation=record.representation,
            num_tasks=len(edits),
            num_made=sum(edit.unmade is None for edit in edits),
            num_scored=sum(edit.score(SCORE).unscored is None for edit in edits),
            components={
                name: ComponentStatus(*counts(edit.score(name) for edit in edits)) for name in COMPONENTS
            },
            asked=asked,
            remark=str(record.judges(folder)["consistency"].get("remark", "")),
        )

    @property
    def stopped(self) -> str | None:
        """Why a pass ended early; None where none did."""
        return next((asked.stopped for asked in self.asked.values() if asked.stopped), None)

    @property
    def is_fruitless(self) -> bool:
        """Whether no edit at all has a mark."""
        return not any(self.components[name].num_scored for name in MARKS)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "stopped": self.stopped}

    def examples_of(self, component: str) -> dict[str, str]:
        """What was said of one edit that lacks a judged component, by reason; REG is by scores."""
        asked = self.asked.get(SCORES if component == "gain" else component)
        return {
            reason: said
            for reason in self.components[component].unscored
            for why, said in (asked.examples if asked else {}).items()
            if reason.endswith(why)
        }
