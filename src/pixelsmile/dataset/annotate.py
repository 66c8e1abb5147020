"""Annotate: judges say what the pictures show, and how strongly.

Judges that are networks on this machine work in the processes of the build. Judges behind a server are asked
from one process, many questions at once, and what they say is kept by content:

    FOLDER/verdicts.sqlite       every answer that was paid for; a step that is done again finds it there
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import JsonValue

from pixelsmile.dataset.doubts import SEEN, confidence, doubts, panel_agreement
from pixelsmile.dataset.edit_config import AUTO, DRAWN, AnnotateSettings
from pixelsmile.dataset.folder import VERDICTS, kept_file
from pixelsmile.dataset.rows import Row
from pixelsmile.errors import PixelSmileError, one_line
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, Domain
from pixelsmile.judges import (
    Asker,
    Budget,
    Judge,
    JudgeIdentity,
    NoVerdict,
    Outcome,
    Pool,
    Sample,
    Verdict,
    VerdictCache,
)
from pixelsmile.judges.judge import SeenExpression, Statistics
from pixelsmile.judges.names import (
    EMBEDDED,
    PHOTO,
    JudgeOptions,
    is_local,
    parse_judge,
    parse_statistician,
)
from pixelsmile.judges.rubrics import EXPRESSION_SCORES, TABLE_6
from pixelsmile.portraits import ActionUnits, sample_identity
from pixelsmile.portraits.action_units import checked_units, parse_units
from pixelsmile.portraits.description import describe
from pixelsmile.remote import BudgetSpentError, Limits, RemoteError

_MAX_SILENT = 8  # questions in a row without an answer that can be used
_SILENT = ("malformed", "empty", "unreachable", "failed")
_LOCAL_ROWS, _LEAST_REMOTE_ROWS, _ROWS_IN_FLIGHT = 16, 64, 8  # of a batch; the last: for each in flight
_NUM_DIGITS = 4  # of a mean score


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Annotate:
    """The step's function. folder: of the data set.

    A spent budget is a BudgetSpentError; a judge that cannot be asked, says nothing or crashes at one picture
    after the other is a RemoteError. What was answered until then is not asked again.
    """

    folder: Path
    settings: AnnotateSettings
    keeps_batches: ClassVar[bool] = True

    @property
    def in_process(self) -> bool:
        """Whether a judge stands behind a server: then all are asked from one process."""
        named = (*self.settings.judges, self.settings.statistics or DRAWN)
        return not all(name in (AUTO, DRAWN) or is_local(name) for name in named)

    @property
    def batch_rows(self) -> int:
        in_flight = self.settings.max_concurrency
        return max(_LEAST_REMOTE_ROWS, _ROWS_IN_FLIGHT * in_flight) if self.in_process else _LOCAL_ROWS

    def record(self) -> JsonValue:
        """Who judges, by the hash of all that an answer depends on. ModelError, RemoteError."""
        names = [name for given in self.settings.judges for name in _meant(given)]
        judges = [self._scorers.of(name) for name in dict.fromkeys(names)]
        return [judge.identity.sha256 for judge in (*judges, *self._statisticians.values())]

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        found = self._asked(rows)
        annotated: dict[str, Row] = {}
        for place, row in enumerate(rows):
            scored = _scored(row, [found[place, slot] for slot, _ in enumerate(self.settings.judges)])
            annotated[row.id] = scored.updated(**self._statistics(row, found.get((place, _STATISTICS))))
        done = []
        for row in annotated.values():
            base = annotated.get(row.base or "")
            row = row.updated(doubts=doubts(row, base, self.settings))
            if row.scores is None and self.settings.reject_no_verdict:
                row = row.rejected("annotate", "no verdict", detail=row.no_verdict)
            done.append(row)
        return done

    def __reduce__(self) -> tuple[Any, ...]:
        """Judges stay where they were made."""
        return type(self), (self.folder, self.settings)

    @cached_property
    def _scorers(self) -> "_Judges":
        return _Judges(_options(self.settings, self._budget))

    @cached_property
    def _statisticians(self) -> dict[Domain, Judge]:
        name = self.settings.statistics
        if name is None or name == DRAWN:
            return {}
        options = _options(self.settings, self._budget)
        return {domain: parse_statistician(name, domain, options) for domain in DOMAINS}

    @cached_property
    def _budget(self) -> Budget:
        return Budget(self.settings.max_requests, self.settings.max_tokens)

    def _asked(self, rows: Sequence[Row]) -> dict[tuple[int, int], Outcome]:
        """What was said, by the row's place and the judge's, _STATISTICS for statistics."""
        wanted: dict[tuple[int, int], Judge] = {}
        for place, row in enumerate(rows):
            for slot, name in enumerate(self.settings.judges):
                wanted[place, slot] = self._scorers.of(_for_row(name, row))
            if self._statisticians and self._has_statistics(row):
                wanted[place, _STATISTICS] = self._statisticians[row.domain]
        if not self.in_process:
            return self._ask(rows, wanted, None)
        with VerdictCache(self.folder / VERDICTS) as kept:
            return self._ask(rows, wanted, kept)

    def _ask(
        self, rows: Sequence[Row], wanted: dict[tuple[int, int], Judge], kept: VerdictCache | None
    ) -> dict[tuple[int, int], Outcome]:
        """Every question. kept: where answers of servers lie; None where there are none to be kept."""
        askers = {id(judge): Asker(judge, kept) for judge in wanted.values()}

        async def work(item: tuple[int, int]) -> Outcome:
            row, asker = rows[item[0]], askers[id(wanted[item])]
            sample = Sample(row.id, kept_file(self.folder, row), row.domain)
            outcome = await _said(asker, sample)
            self._silence(asker.judge).check(outcome)  # of one here, too: it may crash at every picture
            return outcome

        async def close() -> None:
            for asker in askers.values():
                await asker.judge.aclose()

        at_once = 1 if kept is None else self.settings.max_concurrency
        pool = Pool(list(wanted), work, close, max_concurrency=at_once)
        found = dict(pool)
        if pool.stopped is not None:
            raise BudgetSpentError(
                f"annotate: {pool.stopped}: the same command with more goes on where it was, and nothing is "
                "paid for twice"
            )
        for asker in askers.values():
            if kept is not None and not kept.has_verdicts(asker.judge.identity):
                self._silence(asker.judge).check_all()
        return found

    def _silence(self, judge: Judge) -> "_Silence":
        return self._silences.setdefault(judge.identity.id, _Silence(judge.identity))

    @cached_property
    def _silences(self) -> "dict[str, _Silence]":
        return {}

    def _has_statistics(self, row: Row) -> bool:
        return self.settings.statistics_of == "all" or row.base is None

    def _statistics(self, row: Row, said: Outcome | None) -> dict[str, Any]:
        """The fields of a row that its statistics fill."""
        if self.settings.statistics == DRAWN and self._has_statistics(row):
            said = drawn_statistics(row)
        match said:
            case Statistics():
                fields = dataclasses.asdict(said)
                fields["statistics_expression"], fields["statistician"] = fields["expression"], said.judge
                for name in ("judge", "expression", "transcript", "kind"):
                    del fields[name]
                return fields
            case NoVerdict():
                return {"statistician": said.judge, "no_statistics": _why(said)}
        return {}


async def _said(asker: Asker, sample: Sample) -> Outcome:
    """What a judge says; of one that fails at a picture that it does."""
    try:
        return (await asker.ask(sample)).outcome
    except PixelSmileError:  # a server that is not reached, a spent budget, a full disk
        raise
    except Exception as error:  # networks on strangers' pictures raise anything
        logger.debug("row %s", sample.key, exc_info=True)
        return NoVerdict(
            asker.judge.identity.id, "failed", one_line(f"{type(error).__name__}: {error}", _MAX_WHY)
        )


def check_judges(settings: AnnotateSettings) -> None:
    """RemoteError where a judge behind a server lacks its key, or its address is none; nothing is asked."""
    options = _options(settings, Budget())
    for name in settings.judges:
        if name != AUTO and not is_local(name):
            parse_judge(name, options)
    if settings.statistics not in (None, DRAWN):
        parse_statistician(str(settings.statistics), "human", options)


def drawn_statistics(row: Row) -> Statistics | NoVerdict:
    """What is true of a drawn person. Nobody knows its gender, nor what an edit of it has come to show."""
    if row.identity_seed is None:
        return NoVerdict(DRAWN, "unsuited", "nobody knows who was drawn")
    units = checked_units(parse_units(row.units)) if row.units else ActionUnits()
    person = describe(sample_identity(row.identity_seed), units.scaled(row.strength or 0.0))
    shown = None if row.base is not None else row.expression
    return Statistics(
        DRAWN,
        age_group=person.age_group,
        skin_tone=person.skin_tone,
        style="2d_anime" if row.domain == "anime" else None,
        expression=_seen_expression(shown),
        appearance=person.appearance,
        action=person.action,
        background=person.background,
    )


def _seen_expression(drawn: str | None) -> SeenExpression | None:
    return next((seen for seen in SEEN if seen == drawn), "other" if drawn in EXPRESSIONS else None)


_STATISTICS = -1


@dataclass(frozen=True)
class _Judges:
    """Judges by their names: those on this machine once a process, others once a build."""

    options: JudgeOptions
    _remote: dict[str, Judge] = dataclasses.field(default_factory=dict)

    def of(self, name: str) -> Judge:
        if is_local(name):
            return _local(name)
        if name not in self._remote:
            self._remote[name] = parse_judge(name, self.options)
        return self._remote[name]


@cache
def _local(name: str) -> Judge:
    return parse_judge(name)


def _options(settings: AnnotateSettings, budget: Budget) -> JudgeOptions:
    limits = {
        name: getattr(settings, name)
        for name in ("timeout_s", "max_output_tokens", "max_side_px")
        if getattr(settings, name) is not None
    }
    given = {name: getattr(settings, name) for name in ("seed", "key_env")}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if settings.temperature is not None:
        wanted["temperature"] = None if settings.temperature == "model" else settings.temperature
    rubric = TABLE_6 if settings.rubric == "table 6" else EXPRESSION_SCORES
    return JudgeOptions(budget, Limits(**limits), wanted, settings.extra, rubric)


def _meant(name: str) -> tuple[str, ...]:
    return (EMBEDDED, PHOTO) if name == AUTO else (name,)


def _for_row(name: str, row: Row) -> str:
    """The judge that knows such a picture, unless one is named."""
    return name if name != AUTO else EMBEDDED if row.is_drawn else PHOTO


class _Silence:
    """Ends the step where one judge does not answer: pictures without a verdict are not its purpose."""

    def __init__(self, judge: JudgeIdentity) -> None:
        self._judge, self._in_a_row = judge, 0
        self._last: NoVerdict | None = None

    def check(self, outcome: Outcome) -> None:
        """RemoteError for one too many in a row."""
        if isinstance(outcome, NoVerdict) and outcome.reason in _SILENT:
            self._in_a_row, self._last = self._in_a_row + 1, outcome
        else:
            self._in_a_row = 0
        if self._in_a_row >= _MAX_SILENT:
            raise self._error()

    def check_all(self) -> None:
        """The same for any in a row, where the judge has never answered."""
        if self._in_a_row:
            raise self._error()

    def _error(self) -> RemoteError:
        why = "" if self._last is None else _why(self._last)[:_MAX_WHY]
        return RemoteError(
            f"annotate: {self._judge.provider}:{self._judge.model} gave no verdict on {self._in_a_row} "
            f"pictures in a row ({why}): see to it; the same command goes on"
        )


_MAX_WHY = 140


def _scored(row: Row, outcomes: Sequence[Outcome]) -> Row:
    """The row with its verdict: that of one judge, or what a panel says on the mean."""
    judge = "+".join(outcome.judge for outcome in outcomes)
    panel = [_judged_scores(outcome) for outcome in outcomes]
    verdicts = [outcome for outcome in outcomes if isinstance(outcome, Verdict)]
    several: dict[str, Any] = {}
    if len(panel) > 1:
        several = {
            "panel_scores": tuple(score for scores in panel for score in scores),
            "agreement": panel_agreement(panel),
        }
    if not verdicts:
        reasons = dict.fromkeys(_why(one) for one in outcomes if isinstance(one, NoVerdict))
        return row.updated(judge=judge, no_verdict="; ".join(reasons), **several)
    means = [_mean([score for score in column if score is not None]) for column in zip(*panel, strict=True)]
    known = [mean for mean in means if mean is not None]
    return row.updated(
        judge=judge,
        scores=tuple(means),
        dominant=_dominant(verdicts, means),
        confidence=confidence(known, several.get("agreement")),
        **several,
    )


def _judged_scores(outcome: Outcome) -> list[float | None]:
    """Of EXPRESSIONS; None for what is not judged."""
    if not isinstance(outcome, Verdict):
        return [None] * len(EXPRESSIONS)
    judged = _categories().get(outcome.judge)
    return [outcome.scores[name] if judged is None or name in judged else None for name in EXPRESSIONS]


@cache
def _categories() -> dict[str, tuple[str, ...]]:
    """What the judges judge that do not judge every expression, by their ids."""
    identity = _local(PHOTO).identity
    judged = identity.parameters["categories"]
    assert isinstance(judged, list)
    return {identity.id: tuple(map(str, judged))}


def _dominant(verdicts: Sequence[Verdict], means: Sequence[float | None]) -> str:
    """What most judges say; of what equally many say, the one with the highest mean score."""
    votes = Counter(verdict.dominant for verdict in verdicts)
    mean_of = dict(zip(EXPRESSIONS, means, strict=True))
    return max(votes, key=lambda name: (votes[name], mean_of.get(name) or 0.0))


def _mean(scores: Sequence[float]) -> float | None:
    return round(float(np.mean(scores)), _NUM_DIGITS) if scores else None


def _why(outcome: NoVerdict) -> str:
    return f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason
