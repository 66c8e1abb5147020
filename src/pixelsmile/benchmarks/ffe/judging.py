"""What is scored of a run of FFE-Bench, and how far that has come: verdicts, and likeness to the source."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.drawn import DamageScorer, Portraits, TruthScorer
from pixelsmile.benchmarks.scorers.identity import IdentityScorer, IdentitySettings
from pixelsmile.benchmarks.scorers.judged import JudgePass, JudgeSettings, VerdictScorer, judge_stem
from pixelsmile.benchmarks.scorers.scorer import Scorer, score_records, settings_at
from pixelsmile.benchmarks.scores import IDENTITY, NOT_JUDGED, Score, counts
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.run import Asker

if TYPE_CHECKING:
    from pixelsmile.faces.likeness import LikenessMeter
    from pixelsmile.features.encoder import ImageEncoder


def ffe_measures(
    meter: "LikenessMeter | None",
    portraits: Portraits | None = None,
    encoder: "ImageEncoder | None" = None,
    *,
    damage: bool = False,
) -> dict[str, Scorer]:
    """What needs no judge, by what is being done.

    meter: None where identity is not measured. portraits: the sources, where they are drawn. encoder: sees
    how far edits are from the drawn truth; None where that is not measured. damage: whether it is measured.
    """
    scorers: dict[str, Scorer] = {} if meter is None else {"comparing faces": IdentityScorer(meter)}
    if portraits and encoder is not None:
        scorers["comparing with the truth"] = TruthScorer(portraits, encoder)
    if portraits and damage:
        scorers["looking for damage"] = DamageScorer(portraits)
    return scorers


def ffe_verdicts(
    judges: Iterable[Judge], asker: Callable[[Judge], Asker], max_concurrency: int = 8
) -> list[tuple[VerdictScorer, Asker]]:
    """The passes of the judges, each with who is asked in it."""
    return [(VerdictScorer(asked, max_concurrency), asked) for asked in map(asker, judges)]


@dataclass(frozen=True)
class JudgeStatus:
    """How far one judge of FFE-Bench has come. unscored: edits without a verdict, by reason.

    remark: what the judge says of itself; empty for nothing.
    """

    judge: str
    num_judged: int
    num_new: int
    num_reused: int
    num_left: int
    unscored: Mapping[str, int]
    examples: Mapping[str, str]
    stopped: str | None
    remark: str = ""

    @classmethod
    def of(cls, folder: RunFolder, judge: JudgeSettings, asked: JudgePass) -> "JudgeStatus":
        """What is on disk of that judge after a pass."""
        records = score_records(folder, judge_stem(judge.id))
        made = [key for key, edit in folder.edits().items() if edit.sha256 is not None]
        scores = [records[key].score if key in records else Score(unscored=NOT_JUDGED) for key in made]
        num_judged, unscored = counts(scores)
        return cls(judge.id, num_judged, unscored=unscored, remark=judge.remark, **asdict(asked))


@dataclass(frozen=True)
class IdentityStatus:
    """How many edits have been compared with their sources, and by whom."""

    encoders: Sequence[str]
    detector: str
    num_measured: int
    unmeasured: Mapping[str, int]

    @classmethod
    def of(cls, folder: RunFolder) -> "IdentityStatus | None":
        """What is on disk; None where nothing is measured."""
        settings = settings_at(folder, IDENTITY, IdentitySettings)
        if settings is None:
            return None
        scores = (record.score for record in score_records(folder, IDENTITY).values())
        return cls(tuple(settings.encoders), settings.detector, *counts(scores))


@dataclass(frozen=True)
class FfeStatus:
    """How far a run of FFE-Bench has come."""

    run: str
    num_edits: int
    num_made: int
    likeness: IdentityStatus | None
    judges: Sequence[JudgeStatus]

    @classmethod
    def of(cls, run: str, folder: RunFolder, judges: Sequence[JudgeStatus]) -> "FfeStatus":
        num_made = sum(edit.sha256 is not None for edit in folder.edits().values())
        return cls(run, len(folder.spec().edit_keys()), num_made, IdentityStatus.of(folder), judges)

    @property
    def is_stopped(self) -> bool:
        """Whether a budget left something over."""
        return any(judge.stopped for judge in self.judges)

    @property
    def is_fruitless(self) -> bool:
        """Whether no edit at all has a verdict."""
        return not any(judge.num_judged for judge in self.judges)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
