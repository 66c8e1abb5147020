"""Many judgements in flight: results as they finish, each sample once, nothing paid for twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

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

T = TypeVar("T")
R = TypeVar("R")


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


class Asker:
    """One judge with what it has said before: an answer is paid for once, whoever asks for it.

    What `ask` gives is already in the cache. A question that the server will not take (QuestionRefusedError)
    has no verdict, where the server says that it is the picture, or where the judge has answered another
    question, now or in the cache. JudgeError where it has not, and after `max_refusals` in a row.

    A cached "no verdict" is asked about again: but for what was refused, unless `ask_refused_again`; and but
    for all where `reuse_no_verdicts`.
    """

    def __init__(
        self,
        judge: Judge,
        cache: VerdictCache | None = None,
        *,
        reuse_no_verdicts: bool = False,
        ask_refused_again: bool = False,
        max_refusals: int = MAX_REFUSALS,
    ) -> None:
        if max_refusals < 1:
            raise ValueError(f"no run goes on to {max_refusals} refusals")
        self.judge = judge
        self._cache = cache
        self._reuse_no_verdicts = reuse_no_verdicts
        self._ask_refused_again = ask_refused_again
        self._max_refusals = max_refusals
        self._num_refused = 0  # in a row
        self._has_answered = False
        self._firsts: dict[str, asyncio.Future[Outcome]] = {}

    def needs_asking(self, outcome: Outcome) -> bool:
        """Whether a judge that said this is asked once more."""
        return not (self._reuse_no_verdicts or is_final(outcome, ask_refused_again=self._ask_refused_again))

    async def ask(self, sample: Sample) -> Judgement:
        """What the judge says about a sample. JudgeError and BudgetSpentError as `Judge.judge`."""
        try:
            question = await asyncio.to_thread(sample.question)
        except ImageError as error:
            unread = NoVerdict(self.judge.identity.id, "unreadable", str(error))
            return Judgement(sample.key, unread, "picture")
        key = cache_key(self.judge.identity, question)
        if key in self._firsts:
            return Judgement(sample.key, await asyncio.shield(self._firsts[key]), "twin")
        kept = self._cache and self._cache.find(key)
        if kept and not self.needs_asking(kept):
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
            outcome = await self.judge.judge(question)
        except QuestionRefusedError as refusal:
            outcome = self._refused(refusal)
        else:
            if not isinstance(outcome, NoVerdict) or outcome.transcript:
                self._has_answered, self._num_refused = True, 0
        if self._cache is None:
            return outcome
        return self._cache.keep(self.judge.identity, question, outcome)

    def _refused(self, refusal: QuestionRefusedError) -> NoVerdict:
        """No verdict for that question alone; JudgeError where it need not be the question's fault."""
        identity = self.judge.identity
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


class Pool(Generic[T, R]):
    """Work on many items at once, at most `max_concurrency`; to be iterated once, with `async for` or `for`.

    Gives (item, result) as they finish. `close` is awaited at the end; whoever stops early closes the
    iterator (`contextlib.aclosing`), and what is in flight is then given up. A spent budget ends the pool as
    if all were done: `stopped` says why and `left` what is missing. A JudgeError is raised after what was in
    flight has come in; any other error at once.
    """

    def __init__(
        self,
        items: Sequence[T],
        work: Callable[[T], Coroutine[Any, Any, R]],
        close: Callable[[], Awaitable[None]],
        *,
        max_concurrency: int = 8,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError(f"{max_concurrency} requests in flight judge nothing")
        self._items, self._work, self._close = items, work, close
        self._max_concurrency = max_concurrency
        self._done: set[int] = set()  # places of items
        self._stop: JudgeError | BudgetSpentError | None = None
        self._halted = False
        self._begun = False

    @property
    def left(self) -> tuple[T, ...]:
        """The items that have no result, in their order."""
        return tuple(item for place, item in enumerate(self._items) if place not in self._done)

    @property
    def stopped(self) -> str | None:
        """Why the pool ended before all items were done; None where it did not."""
        return str(self._stop) if self._stop is not None else None

    def halt(self) -> None:
        """Begin no more: what is in flight comes in, the rest is left."""
        self._halted = True

    async def __aiter__(self) -> AsyncIterator[tuple[T, R]]:
        if self._begun:
            raise RuntimeError("a pool is iterated once: make another, which does what is left")
        self._begun = True
        waiting = iter(enumerate(self._items))
        in_flight: set[asyncio.Task[tuple[int, R]]] = set()
        finished: set[asyncio.Task[tuple[int, R]]] = set()
        try:
            while True:
                while (
                    not self._halted
                    and len(in_flight) < self._max_concurrency
                    and (numbered := next(waiting, None))
                ):
                    in_flight.add(asyncio.create_task(self._numbered(*numbered)))
                if not in_flight:
                    break
                finished, in_flight = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                for place, result in self._collect(finished):
                    self._done.add(place)
                    yield self._items[place], result
        finally:
            await _give_up(in_flight | finished)
            await self._close()
        if isinstance(self._stop, JudgeError):
            raise self._stop

    def __iter__(self) -> Iterator[tuple[T, R]]:
        """The same without an event loop. Work rests while the caller looks at a result."""
        return in_step(aiter(self))

    async def _numbered(self, place: int, item: T) -> tuple[int, R]:
        return place, await self._work(item)

    def _collect(self, finished: set[asyncio.Task[tuple[int, R]]]) -> Iterator[tuple[int, R]]:
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


class JudgingRun:
    """One pass of one judge over samples: an Asker in a Pool, and to be iterated as one.

    Each sample has its own key. The judge is closed at the end.
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
        if len({sample.key for sample in samples}) != len(samples):
            raise ValueError("every sample has its own key")
        asker = Asker(
            judge,
            cache,
            reuse_no_verdicts=reuse_no_verdicts,
            ask_refused_again=ask_refused_again,
            max_refusals=max_refusals,
        )
        self._pool = Pool(samples, asker.ask, judge.aclose, max_concurrency=max_concurrency)

    @property
    def left(self) -> tuple[str, ...]:
        """The keys of the samples that have not come out, in their order."""
        return tuple(sample.key for sample in self._pool.left)

    @property
    def stopped(self) -> str | None:
        """Why the run ended before all samples were judged; None where it did not."""
        return self._pool.stopped

    def halt(self) -> None:
        """Begin no more: what is in flight comes in, the rest is left."""
        self._pool.halt()

    async def __aiter__(self) -> AsyncIterator[Judgement]:
        async with aclosing(aiter(self._pool)) as results:  # type: ignore[type-var]
            async for _, judgement in results:
                yield judgement

    def __iter__(self) -> Iterator[Judgement]:
        """The same without an event loop. Requests rest while the caller works on a result."""
        return in_step(aiter(self))


def in_step(stream: AsyncIterator[R]) -> Iterator[R]:
    """The stream, which has no None, without an event loop of the caller's."""
    with asyncio.Runner() as runner:
        try:
            while (result := runner.run(_next(stream))) is not None:
                yield result
        finally:
            runner.run(_close(stream))


async def _give_up(tasks: set[asyncio.Task[R]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _next(stream: AsyncIterator[R]) -> R | None:
    return await anext(stream, None)


async def _close(stream: AsyncIterator[R]) -> None:
    async with aclosing(stream):  # type: ignore[type-var]
        pass
