"""The scores of judges: the twelve of a verdict (FFE-Bench), and the marks PQ, SC and GTA (FED-Bench)."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from pydantic import Field, JsonValue

from pixelsmile.benchmarks.run_folder import FedTaskRecord, RunFolder, file_name
from pixelsmile.benchmarks.scorers.scorer import (
    Edit,
    Scorer,
    Scoring,
    keep_record,
    kept_records,
    score_records,
)
from pixelsmile.benchmarks.scores import (
    MARKS,
    VERDICT,
    Score,
    examples_of,
    outcome_of,
    score_of,
)
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.judge import (
    Judge,
    JudgeIdentity,
    Markers,
    Sample,
    Target,
    consistency_sample,
    quality_sample,
    truth_alignment_sample,
)
from pixelsmile.judges.run import Asker
from pixelsmile.limits import shown
from pixelsmile.store.json_lines import Record

Marked = Literal["quality", "consistency", "truth_alignment"]


class JudgeSettings(Record):
    """The identity of a judge, by which its scores are known in a run's folder."""

    id: str
    provider: str
    model: str
    rubric: str
    rubric_sha256: str
    parameters: dict[str, JsonValue]
    remark: str = ""

    @classmethod
    def of(cls, identity: JudgeIdentity) -> Self:
        return cls.model_validate({"id": identity.id, **identity.to_record()})

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", exclude_defaults=True)


class JudgeScorer(Scorer):
    """A judge as a scorer. asker: the judge, with the answers that are kept.

    An edit without a score is asked about again by another pass, but for what the judge refused; see Asker.
    """

    def __init__(self, asker: Asker, max_concurrency: int = 8) -> None:
        self._asker = asker
        self.settings: JudgeSettings = JudgeSettings.of(asker.judge.identity)
        self.max_concurrency = max_concurrency

    @property
    def stem(self) -> str:
        return judge_stem(self.settings.id)

    @abstractmethod
    def sample(self, edit: Edit) -> Sample:
        """What the judge is shown and told."""

    async def score(self, edit: Edit) -> Score:
        return score_of((await self._asker.ask(self.sample(edit))).outcome)

    def is_final(self, score: Score) -> bool:
        outcome = outcome_of(score, self.settings.id)
        return outcome is None or not self._asker.needs_asking(outcome)

    async def aclose(self) -> None:
        await self._asker.judge.aclose()


class VerdictScorer(JudgeScorer):
    """Twelve scores, 0..1, by expression, of the picture alone; the answer is the dominant expression."""

    name = VERDICT

    def sample(self, edit: Edit) -> Sample:
        is_partial = self._asker.judge.identity.is_partial  # others are not told what they may find
        target = Target(edit.task.target) if is_partial else None
        return Sample(str(edit.key), edit.picture, edit.task.domain, target=target)


class MarkScorer(JudgeScorer):
    """A mark, 0..10: PQ of the edit alone, SC beside source and instruction, GTA beside the ground truth."""

    def __init__(self, component: Marked, asker: Asker, max_concurrency: int = 8) -> None:
        super().__init__(asker, max_concurrency)
        self.name: str = component
        self._component = component

    def sample(self, edit: Edit) -> Sample:
        task, key = edit.task, str(edit.key)
        if not isinstance(task, FedTaskRecord) or edit.truth is None:
            raise InputError(f"{self.name} is marked in runs of FED-Bench: use `pixelsmile bench fed run`")
        match self._component:
            case "quality":
                return quality_sample(key, edit.picture, task.domain)
            case "consistency":
                target = Target(task.target, task.asked_strength)  # for judges that read no words
                return consistency_sample(key, edit.source, edit.picture, task.prompt, task.domain, target)
            case "truth_alignment":
                return truth_alignment_sample(key, edit.truth, edit.picture, task.domain)


def judge_stem(judge_id: str) -> str:
    """Where the scores of that judge lie in a run's folder."""
    return f"judges/{file_name(judge_id)}"


def judges_of(folder: RunFolder) -> dict[str, JudgeSettings]:
    """All judges that were asked in a run, by id, in the order of their ids. InputError for a moved file."""
    found = {}
    for settings in kept_records(folder.path / "judges", JudgeSettings):
        path = folder.path / f"{judge_stem(settings.id)}.json"
        if not path.is_file():
            raise InputError(
                f"{str(folder.path / 'judges')!r} has judge {shown(settings.id)} in a file of another name: "
                "move it away, and judge again"
            )
        found[settings.id] = settings
    return found


class MarkersRecord(Record):
    """Who marked together. markers: the id of each judge, by component; they are in RUN/judges.

    representation: the id of what REG was measured by in the same call; None where it was not.
    """

    schema_version: Literal[1] = 1
    id: str
    markers: dict[Marked, str] = Field(min_length=len(MARKS))
    representation: str | None

    @classmethod
    def of(cls, markers: Markers, representation: str | None) -> Self:
        """Its id is provider, model, and the start of a hash of all three."""
        identities = {component: judge.identity for component, judge in judges_by_component(markers).items()}
        first, ids = identities["quality"], {name: identity.id for name, identity in identities.items()}
        together = f"{first.provider}:{first.model}:{sha256_json([*ids.values()])[:12]}"
        return cls(id=together, markers=ids, representation=representation)

    def judges(self, folder: RunFolder) -> dict[str, Mapping[str, JsonValue]]:
        """The identity of each marker, by component, as far as the run's folder has it."""
        known = judges_of(folder)
        return {
            component: known[judge_id].as_json() if judge_id in known else {"id": judge_id}
            for component, judge_id in self.markers.items()
        }


def judges_by_component(markers: Markers) -> dict[Marked, Judge]:
    """Who marks what, in the order of MARKS."""
    return {
        "quality": markers.quality,
        "consistency": markers.consistency,
        "truth_alignment": markers.truth_alignment,
    }


def keep_markers(folder: RunFolder, record: MarkersRecord) -> None:
    """Note who marks together, before the first mark."""
    keep_record(folder.path / "markers" / f"{file_name(record.id)}.json", record)


def kept_markers(folder: RunFolder) -> dict[str, MarkersRecord]:
    """All that marked this run, by id. InputError for a file that is damaged."""
    return {record.id: record for record in kept_records(folder.path / "markers", MarkersRecord)}


@dataclass(frozen=True)
class JudgePass:
    """What came of one pass of a judge: answers, of them those without asking, and questions that are left.

    examples: for each reason why there was no score what was said of the first such edit.
    """

    num_new: int
    num_reused: int
    num_left: int
    stopped: str | None
    examples: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: RunFolder, scoring: Scoring, asker: Asker) -> Self:
        """What came of a pass that is at its end."""
        scores = (record.score for record in score_records(folder, scoring.stem).values())
        return cls(asker.num_asked, asker.num_reused, scoring.num_left, scoring.stopped, examples_of(scores))
