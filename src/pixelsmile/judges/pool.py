"""Many judgements in flight: results as they finish, each sample once, nothing paid for twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pixelsmile.errors import ImageError
from pixelsmile.expressions import Domain
from pixelsmile.judges.cache import VerdictCache, cache_key
from pixelsmile.judges.judge import BudgetSpentError, Judge, JudgeError, QuestionRefusedError
from pixelsmile.judges.question import Question, Target
from pixelsmile.judges.verdict import NoVerdict, Outcome, is_final

if TYPE_CHECKING:
    from pixelsmile.images import ImageSource

Source = Literal["judge", "cache", "twin", "picture"]

MAX_REFUSALS = 5


@dataclass(frozen=True)
class Sample:
    """What to ask about, before its pictures are read (see Question.read), and the caller's name for it.

    `images` is one picture, or several by their captions, in the order in which they are shown.
    """

    key: str
    images: "ImageSource | Mapping[str, ImageSource]"
    domain: Domain
    words: str = ""
    target: Target | None = None

    def question(self) -> Question:
        """The question, with its pictures; ImageError where one cannot be read."""
        return Question.read(self.images, self.domain, words=self.words, target=self.target)


@dataclass(frozen=True)
class Judgement:
    """The outcome for one sample, and where it is from.

    That is the judge, the cache, a sample of this run that asks the same (its twin), or a picture (it cannot
    be read).
    """

    key: str
    outcome: Outcome
    source: Source


class JudgingRun:
    """One pass of one judge over samples; to be iterated once, with `async for` or `for`.

    What comes out is already in the cache. The judge is closed at the end; whoever stops early closes the
    iterator (`contextlib.aclosing`), and requests in flight are then given up. A spent budget ends the run as
    if all were done: `stopped` says why and `left` what is missing. A judge that cannot be asked raises its
    JudgeError after what was in flight has come in.

    A question that the server will not take (QuestionRefusedError) is unscored, where the server says that it
    is the picture, or where the judge has answered another question, now or in the cache. The run stops where
    it has not, and after `max_refusals` in a row.

    `max_concurrency` requests at most are under way. A cached "no verdict" is asked about again: but for what
    was refused, unless `ask_refused_again`; and but for all where `reuse_no_verdicts`.
    """

    def __init__(
        self,
        judge: Judge,
        samples: Sequence[Sample],
        *,
        cache: VerdictCache | None = None,
        max_concurrency: int = 8,
        reuse_no_verdicts: bool = False,
        ask_refused_again: bool = False,
        max_refusals: int = MAX_REFUSALS,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError(f"{max_concurrency} requests in flight judge nothing")
        if max_refusals < 1:
            raise ValueError(f"no run goes on to {max_refusals} refusals")
        if len({sample.key for sample in samples}) != len(samples):
            raise ValueError("every sample has its own key")
        self._judge = judge
        self._samples = samples
        self._cache = cache
        self._max_concurrency = max_concurrency
        self._reuse_no_verdicts = reuse_no_verdicts
        self._ask_refused_again = ask_refused_again
        self._max_refusals = max_refusals
        self._num_refused = 0  # in a row
        self._has_answered = False
        self._firsts: dict[str, asyncio.Future[Outcome]] = {}
        self._done: set[str] = set()
        self._stop: JudgeError | BudgetSpentError | None = None
        self._halted = False
        self._begun = False

    @property
    def left(self) -> tuple[str, ...]:
        """The keys of the samples that have not come out, in their order."""
        return tuple(sample.key for sample in self._samples if sample.key not in self._done)

    @property
    def stopped(self) -> str | None:
        """Why the run ended before all samples were judged; None where it did not."""
        return str(self._stop) if self._stop is not None else None

    def halt(self) -> None:
        """Begin no more: what is in flight comes in, the rest is left."""
        self._halted = True

    async def __aiter__(self) -> AsyncIterator[Judgement]:
        if self._begun:
            raise RuntimeError("a run is iterated once: make another, and the cache has what this one judged")
        self._begun = True
        waiting = iter(self._samples)
        in_flight: set[asyncio.Task[Judgement]] = set()
        finished: set[asyncio.Task[Judgement]] = set()
        try:
            while True:
                while (
                    not self._halted
                    and len(in_flight) < self._max_concurrency
                    and (sample := next(waiting, None))
                ):
                    in_flight.add(asyncio.create_task(self._judge_sample(sample)))
                if not in_flight:
                    break
                finished, in_flight = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                for judgement in self._collect(finished):
                    self._done.add(judgement.key)
                    yield judgement
        finally:
            await _give_up(in_flight | finished)
            await self._judge.aclose()
        if isinstance(self._stop, JudgeError):
            raise self._stop

    def __iter__(self) -> Iterator[Judgement]:
        """The same without an event loop. Requests rest while the caller works on a result."""
        with asyncio.Runner() as runner:
            stream = aiter(self)
            try:
                while (judgement := runner.run(_next(stream))) is not None:
                    yield judgement
            finally:
                runner.run(_close(stream))

    def _collect(self, finished: set[asyncio.Task[Judgement]]) -> Iterator[Judgement]:
        for task in finished:
            error = task.exception()
            if error is None:
                yield task.result()
            elif isinstance(error, JudgeError | BudgetSpentError):
                self._halted = True
                # An error weighs more than a budget, and the first of its kind stays.
                if self._stop is None or (
                    isinstance(error, JudgeError) and isinstance(self._stop, BudgetSpentError)
                ):
                    self._stop = error
            else:
                raise error

    async def _judge_sample(self, sample: Sample) -> Judgement:
        try:
            question = await asyncio.to_thread(sample.question)
        except ImageError as error:
            unread = NoVerdict(self._judge.identity.id, "unreadable", str(error))
            return Judgement(sample.key, unread, "picture")
        key = cache_key(self._judge.identity, question)
        if key in self._firsts:
            return Judgement(sample.key, await asyncio.shield(self._firsts[key]), "twin")
        kept = self._cache and self._cache.find(key)
        if kept and (self._reuse_no_verdicts or is_final(kept, ask_refused_again=self._ask_refused_again)):
            return Judgement(sample.key, kept, "cache")
        first = asyncio.ensure_future(self._pay(question))
        self._firsts[key] = first
        try:
            return Judgement(sample.key, await first, "judge")
        finally:  # cancelled while it is under way: it ends before the judge is closed
            first.cancel()
            await asyncio.wait([first])

    async def _pay(self, question: Question) -> Outcome:
        try:
            outcome = await self._judge.judge(question)
        except QuestionRefusedError as refusal:
            outcome = self._refused(refusal)
        else:
            if not isinstance(outcome, NoVerdict) or outcome.transcript:
                self._has_answered, self._num_refused = True, 0
        if self._cache is None:
            return outcome
        return self._cache.keep(self._judge.identity, question, outcome)

    def _refused(self, refusal: QuestionRefusedError) -> NoVerdict:
        """No verdict for that question alone; JudgeError where it need not be the question's fault."""
        identity = self._judge.identity
        self._num_refused += 1
        if self._num_refused >= self._max_refusals:
            raise JudgeError(
                f"{self._num_refused} questions in a row were refused ({refusal.detail}): mend the cause, "
                "then ask about them once more with --ask-again"
            ) from None
        self._has_answered = self._has_answered or (
            self._cache is not None and self._cache.has_verdicts(identity)
        )
        if not (refusal.is_certain or self._has_answered):
            raise refusal
        return NoVerdict(identity.id, "refused", refusal.detail)


async def _give_up(tasks: set[asyncio.Task[Judgement]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _next(stream: AsyncIterator[Judgement]) -> Judgement | None:
    return await anext(stream, None)


async def _close(stream: AsyncIterator[Judgement]) -> None:
    async with aclosing(stream):  # type: ignore[type-var]
        pass
