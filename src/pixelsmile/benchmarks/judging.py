"""Having a run's edits judged: each outcome is on disk before it is seen, and none is paid for twice."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from pixelsmile.benchmarks.opinions import current_outcomes
from pixelsmile.benchmarks.run_folder import EditRecord, OutcomeRecord, RunFolder
from pixelsmile.judges.judge import Judge, JudgeIdentity
from pixelsmile.judges.question import Sample, Target
from pixelsmile.judges.run import Judgement, JudgingRun, VerdictCache
from pixelsmile.judges.verdict import Outcome, is_final
from pixelsmile.remote import MAX_REFUSALS
from pixelsmile.store.json_lines import LineWriter

MakeSample = Callable[[str, EditRecord], Sample]  # what to ask about an edit, under a key


class EditJudging:
    """One pass of one judge over the edits of a run that it has no verdict on; to be iterated once.

    sample: what it is asked about an edit (None: the twelve scores of the picture alone). Those edits are
    meant that were not judged, that were judged without a verdict, or that were made anew since; but not what
    the judge refused, unless `ask_refused_again`. After a kill another pass does what is left: an answer that
    had come is in the run's file or in `cache`, from where it costs nothing.

    A spent budget ends the pass as if all were done: `stopped` says why, `num_left` how much is missing. A
    RemoteError, also for `max_refusals` in a row, is raised once what was in flight is kept. InputError where
    a picture is not the one that was made.
    """

    def __init__(
        self,
        folder: RunFolder,
        judge: Judge,
        cache: VerdictCache,
        *,
        max_concurrency: int = 8,
        sample: MakeSample | None = None,
        ask_refused_again: bool = False,
        max_refusals: int = MAX_REFUSALS,
    ) -> None:
        self._folder = folder
        self._judge = judge
        self._waiting = _edits_to_judge(folder, judge.identity.id, ask_refused_again)
        make = sample or _picture_alone(folder, judge.identity)
        samples = [make(name, edit) for name, edit in self._waiting.items()]
        self._pass = JudgingRun(
            judge,
            samples,
            cache=cache,
            max_concurrency=max_concurrency,
            ask_refused_again=ask_refused_again,
            max_refusals=max_refusals,
        )

    @property
    def num_edits(self) -> int:
        """How many edits this pass is about."""
        return len(self._waiting)

    @property
    def num_left(self) -> int:
        """How many of them have no outcome of this pass."""
        return len(self._pass.left)

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What that judge has said of the edits that there are, in this pass or before."""
        return tuple(current_outcomes(self._folder, self._judge.identity.id, self._folder.edits()).values())

    @property
    def stopped(self) -> str | None:
        """Why the pass ended early; None where it did not."""
        return self._pass.stopped

    def __iter__(self) -> Iterator[Judgement]:
        identity = self._judge.identity
        self._folder.keep_judge(identity.id, identity.to_record())
        with LineWriter(self._folder.outcomes_file(identity.id)) as lines:
            for judgement in self._pass:
                lines.write(_record(self._waiting[judgement.key], judgement.outcome))
                yield judgement


def _picture_alone(folder: RunFolder, asked: JudgeIdentity) -> MakeSample:
    domains = {(task.source, task.target): task.domain for task in folder.spec().tasks}

    def sample(name: str, edit: EditRecord) -> Sample:
        target = Target(edit.target) if asked.is_partial else None  # others are not told what they may find
        domain = domains[edit.source, edit.target]
        return Sample(name, folder.picture_of(edit), domain, target=target)

    return sample


def _edits_to_judge(folder: RunFolder, judge_id: str, ask_refused_again: bool) -> Mapping[str, EditRecord]:
    """By a name of its own, in the order of the specification."""
    made = folder.edits()
    judged = {
        key
        for key, outcome in current_outcomes(folder, judge_id, made).items()
        if is_final(outcome, ask_refused_again=ask_refused_again)
    }
    waiting = [made[key] for key in folder.spec().edit_keys() if key in made and key not in judged]
    return {
        f"{edit.source}/{edit.target}/{edit.strength!r}": edit for edit in waiting if edit.sha256 is not None
    }


def _record(edit: EditRecord, outcome: Outcome) -> OutcomeRecord:
    return OutcomeRecord(
        source=edit.source,
        target=edit.target,
        strength=edit.strength,
        edit_sha256=edit.sha256 or "",
        outcome=json.loads(outcome.to_json()),
    )
