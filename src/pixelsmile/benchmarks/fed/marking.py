"""PQ, SC and GTA: marks on the edits of a run, each on disk before it is seen, and none paid for twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue

from pixelsmile.benchmarks.judging import EditJudging, MakeSample
from pixelsmile.benchmarks.measuring import keep_record, kept_records
from pixelsmile.benchmarks.run_folder import EditRecord, FedTaskRecord, RunFolder, file_name
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.judge import Judge, JudgeIdentity, Markers
from pixelsmile.judges.question import (
    Sample,
    Target,
    consistency_sample,
    quality_sample,
    truth_alignment_sample,
)
from pixelsmile.judges.run import VerdictCache
from pixelsmile.remote import MAX_REFUSALS
from pixelsmile.store.json_lines import Record

Marked = Literal["quality", "consistency", "truth_alignment"]
MARKED: tuple[Marked, ...] = ("quality", "consistency", "truth_alignment")


class MarkersRecord(Record):
    """Who marked together. markers: the id of each judge, by component; they are in RUN/judges.

    representation: the id of what REG was measured by in the same call; None where it was not.
    """

    schema_version: Literal[1] = 1
    id: str
    markers: dict[Marked, str] = Field(min_length=len(MARKED))
    representation: str | None


@dataclass(frozen=True)
class MarkerSet:
    """The judges of the three components, as one."""

    markers: Markers

    def judge(self, component: Marked) -> Judge:
        """Who marks it."""
        judge: Judge = getattr(self.markers, component)
        return judge

    @property
    def id(self) -> str:
        """Provider, model, and the start of a hash of all three."""
        ids = [self.judge(component).identity.id for component in MARKED]
        first: JudgeIdentity = self.judge("quality").identity
        return f"{first.provider}:{first.model}:{sha256_json(ids)[:12]}"

    def record(self, representation: str | None) -> MarkersRecord:
        """For the run's folder."""
        markers = {component: self.judge(component).identity.id for component in MARKED}
        return MarkersRecord(id=self.id, markers=markers, representation=representation)


def marking(
    folder: RunFolder,
    component: Marked,
    judge: Judge,
    cache: VerdictCache,
    *,
    max_concurrency: int = 8,
    ask_refused_again: bool = False,
    max_refusals: int = MAX_REFUSALS,
) -> EditJudging:
    """One pass of the marker of `component` over the edits that it has no mark on; see EditJudging."""
    return EditJudging(
        folder,
        judge,
        cache,
        max_concurrency=max_concurrency,
        sample=_samples(folder)[component],
        ask_refused_again=ask_refused_again,
        max_refusals=max_refusals,
    )


def keep_markers(folder: RunFolder, record: MarkersRecord) -> None:
    """Note who marks together, before the first mark."""
    keep_record(folder.path / "markers" / f"{file_name(record.id)}.json", record)


def kept_markers(folder: RunFolder) -> dict[str, MarkersRecord]:
    """All that marked this run, by id. InputError for a file that is damaged."""
    return {record.id: record for record in kept_records(folder.path / "markers", MarkersRecord)}


def identities_of(folder: RunFolder, record: MarkersRecord) -> dict[str, Mapping[str, JsonValue]]:
    """The identity of each marker, by component."""
    judges = folder.judges()
    return {
        component: judges.get(judge_id, {"id": judge_id}) for component, judge_id in record.markers.items()
    }


def _samples(folder: RunFolder) -> dict[Marked, MakeSample]:
    """What each marker is shown."""
    tasks = {task.source: task for task in folder.spec().fed_tasks}

    def quality(key: str, edit: EditRecord) -> Sample:
        return quality_sample(key, folder.picture_of(edit), tasks[edit.source].domain)

    def consistency(key: str, edit: EditRecord) -> Sample:
        task = tasks[edit.source]
        source = folder.source_file(task.source)
        return consistency_sample(
            key, source, folder.picture_of(edit), task.prompt, task.domain, _target(task)
        )

    def truth_alignment(key: str, edit: EditRecord) -> Sample:
        task = tasks[edit.source]
        truth = folder.truth_file(task.triplet)
        return truth_alignment_sample(key, truth, folder.picture_of(edit), task.domain)

    return {"quality": quality, "consistency": consistency, "truth_alignment": truth_alignment}


def _target(task: FedTaskRecord) -> Target:
    """For judges that read no words."""
    return Target(task.target, task.asked_strength)
