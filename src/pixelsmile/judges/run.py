"""One judge and what it has said before: nothing is paid for twice.

What has been said is kept in a file of verdicts and marks, by content: the hash of judge (with its rubric and
parameters), question and domain. Transcripts are part of what is kept.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from pixelsmile.errors import ImageError, InputError
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.judge import (
    Judge,
    JudgeIdentity,
    NoVerdict,
    Outcome,
    Question,
    Sample,
    is_final,
    outcome_from_json,
)
from pixelsmile.remote import MAX_REFUSALS, AnswerCache, Once, Refusals, RequestRefusedError

Source = Literal["judge", "cache", "twin", "picture"]


def cache_key(identity: JudgeIdentity, question: Question) -> str:
    """The content hash under which this judge's outcome for this question is kept."""
    return sha256_json([identity.sha256, question.sha256, question.domain])


class VerdictCache(AnswerCache):
    """A file of outcomes: see AnswerCache."""

    _content = "verdicts"

    def find(self, key: str) -> Outcome | None:
        """The outcome that is kept under `key`, which may be "no verdict"; None for none.

        InputError where what is kept is no outcome.
        """
        text = self.read(key)
        return None if text is None else self._outcome(key, text)

    def has_verdicts(self, identity: JudgeIdentity) -> bool:
        """Whether that judge has ever given one."""
        return self.has_answers(identity.sha256)

    def keep(self, identity: JudgeIdentity, question: Question, outcome: Outcome) -> Outcome:
        """Put an outcome on disk, and give back the one that counts: another process may have been first."""
        key, text = cache_key(identity, question), outcome.to_json()
        kept = self.write(
            key,
            text,
            is_answer=not isinstance(outcome, NoVerdict),
            model=identity.to_record(),
            model_sha256=identity.sha256,
            question_sha256=question.sha256,
            domain=question.domain,
        )
        return outcome if kept == text else self._outcome(key, kept)

    def _outcome(self, key: str, text: str) -> Outcome:
        try:
            return outcome_from_json(text)
        except ValueError as error:
            raise InputError(
                f"{str(self._path)!r} holds a damaged verdict ({key}): move the file away"
            ) from error


@dataclass(frozen=True)
class Judgement:
    """The outcome for one sample, and where it is from.

    That is the judge, the cache, a sample of this run that asks the same (its twin), or a picture (it cannot
    be read).
    """

    key: str
    outcome: Outcome
    source: Source


class Asker:
    """One judge with what it has said before: an answer is paid for once, whoever asks for it.

    What `ask` gives is already in the cache. A question that the server will not take (RequestRefusedError)
    has no verdict, where the server says that it is the picture, or where the judge has answered another
    question, now or in the cache. RemoteError where it has not, and after `max_refusals` in a row.

    A cached "no verdict" is asked about again, but for what was refused, unless `ask_refused_again`.
    """

    def __init__(
        self,
        judge: Judge,
        cache: VerdictCache | None = None,
        *,
        ask_refused_again: bool = False,
        max_refusals: int = MAX_REFUSALS,
    ) -> None:
        self.judge = judge
        self.num_asked = self.num_reused = 0  # answers that were given; of them, without asking the judge
        self._cache = cache
        self._ask_refused_again = ask_refused_again
        self._refusals = Refusals(
            lambda: cache is not None and cache.has_verdicts(judge.identity), max_refusals
        )
        self._once: Once[Outcome] = Once()

    def needs_asking(self, outcome: Outcome) -> bool:
        """Whether a judge that said this is asked once more."""
        return not is_final(outcome, ask_refused_again=self._ask_refused_again)

    async def ask(self, sample: Sample) -> Judgement:
        """What the judge says about a sample. RemoteError and BudgetSpentError as `Judge.judge`."""
        judgement = await self._ask(sample)
        self.num_asked += 1
        self.num_reused += judgement.source in ("cache", "twin")
        return judgement

    async def _ask(self, sample: Sample) -> Judgement:
        try:
            question = await asyncio.to_thread(sample.question)
        except ImageError as error:
            unread = NoVerdict(self.judge.identity.id, "unreadable", str(error))
            return Judgement(sample.key, unread, "picture")
        key = cache_key(self.judge.identity, question)
        source: Source = "twin" if self._once.has(key) else "judge"
        kept = self._cache.find(key) if self._cache and source == "judge" else None
        if kept and not self.needs_asking(kept):
            return Judgement(sample.key, kept, "cache")
        return Judgement(sample.key, await self._once.get(key, lambda: self._pay(question)), source)

    async def _pay(self, question: Question) -> Outcome:
        identity = self.judge.identity
        try:
            outcome = await self.judge.judge(question)
        except RequestRefusedError as refusal:
            self._refusals.check(refusal)
            outcome = NoVerdict(identity.id, "refused", refusal.detail)
        else:
            if not isinstance(outcome, NoVerdict) or outcome.transcript:
                self._refusals.answered()
        return outcome if self._cache is None else self._cache.keep(identity, question, outcome)
