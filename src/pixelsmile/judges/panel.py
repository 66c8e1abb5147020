"""Several judges over the same samples at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from pixelsmile.judges.cache import VerdictCache
from pixelsmile.judges.judge import Judge
from pixelsmile.judges.pool import Judgement, JudgingRun, Sample


class Panel:
    """A run of each judge, all at the same time; `async for` gives their judgements as they finish.

    Who judged stands in the outcome (`Judgement.outcome.judge`); `agreement` compares them afterwards. Each
    judge has `max_concurrency` requests of its own. A JudgeError of one halts the others and is raised once
    their requests in flight have come in.
    """

    def __init__(
        self,
        judges: Sequence[Judge],
        samples: Sequence[Sample],
        *,
        cache: VerdictCache | None = None,
        max_concurrency: int = 8,
        reuse_no_verdicts: bool = False,
    ) -> None:
        ids = [judge.identity.id for judge in judges]
        if len(set(ids)) != len(ids):
            raise ValueError(f"a panel has different judges, not {ids}")
        self.runs = {
            judge.identity.id: JudgingRun(
                judge,
                samples,
                cache=cache,
                max_concurrency=max_concurrency,
                reuse_no_verdicts=reuse_no_verdicts,
            )
            for judge in judges
        }

    async def __aiter__(self) -> AsyncIterator[Judgement]:
        arrived: asyncio.Queue[Judgement | None] = asyncio.Queue(maxsize=1)
        pumps = [asyncio.create_task(self._pump(run, arrived)) for run in self.runs.values()]
        num_running = len(pumps)
        try:
            while num_running:
                judgement = await arrived.get()
                if judgement is None:
                    num_running -= 1
                else:
                    yield judgement
        finally:
            for pump in pumps:
                pump.cancel()
            ended = await asyncio.gather(*pumps, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _pump(self, run: JudgingRun, arrived: asyncio.Queue[Judgement | None]) -> None:
        """Pass on what one judge says, then None."""
        try:
            async with aclosing(aiter(run)) as judgements:  # type: ignore[type-var]
                async for judgement in judgements:
                    await arrived.put(judgement)
        except Exception:
            for other in self.runs.values():
                other.halt()
            await arrived.put(None)
            raise
        await arrived.put(None)  # not where it was cancelled: then nobody takes it
