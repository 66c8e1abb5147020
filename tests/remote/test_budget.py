"""A budget is never passed, however many ask at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from pixelsmile.judges import Budget
from pixelsmile.remote import BudgetSpentError, Usage


def test_requests():
    async def run() -> None:
        budget = Budget(max_requests=2)
        (await budget.reserve(Usage(100))).settle(Usage(10))
        (await budget.reserve(Usage(100))).settle(None)
        assert (budget.spending.num_requests, budget.spending.num_tokens) == (2, 110)
        with pytest.raises(BudgetSpentError, match="2 of 2 requests and 110 tokens used"):
            await budget.reserve(Usage(1))

    asyncio.run(run())


def test_tokens_are_held_until_they_are_settled():
    async def run() -> None:
        budget = Budget(max_tokens=250)
        first, second = await budget.reserve(Usage(100)), await budget.reserve(Usage(100))
        third = asyncio.create_task(budget.reserve(Usage(100)))
        await asyncio.sleep(0)
        assert not third.done(), "it waits for what the others do not use"
        first.settle(Usage(40))
        (await third).settle(Usage(100))
        second.settle(Usage(100))
        with pytest.raises(BudgetSpentError, match="240 of 250 tokens"):
            await budget.reserve(Usage(100))

    asyncio.run(run())


def test_whoever_waits_in_vain_is_told():
    async def run() -> None:
        budget = Budget(max_tokens=150)
        first = await budget.reserve(Usage(100))
        second = asyncio.create_task(budget.reserve(Usage(100)))
        await asyncio.sleep(0)
        first.settle(None)
        with pytest.raises(BudgetSpentError):
            await second

    asyncio.run(run())


def test_a_request_that_took_more_is_a_lesson():
    async def run() -> None:
        budget = Budget(max_tokens=1000)
        (await budget.reserve(Usage(10))).settle(Usage(400))
        await budget.reserve(Usage(10))
        assert budget.spending.reserved.num_tokens == 400

    asyncio.run(run())


def test_a_reservation_is_settled_once():
    reservation = asyncio.run(Budget().reserve(Usage(5)))
    reservation.settle(Usage(5))
    with pytest.raises(RuntimeError, match="once"):
        reservation.settle(Usage(5))


def test_never_passed_by_threads_and_tasks():
    budget = Budget(max_requests=300, max_tokens=20_000)

    async def spend(generator: Random) -> int:
        used = 0
        while True:
            try:
                reservation = await budget.reserve(Usage(100))
            except BudgetSpentError:
                return used
            spending = budget.spending
            assert spending.num_tokens + spending.reserved.num_tokens <= 20_000
            await asyncio.sleep(0)
            tokens = generator.randint(1, 100)
            used += tokens
            reservation.settle(Usage(tokens))

    async def spend_together(seed: int) -> int:
        return sum(await asyncio.gather(*(spend(Random(seed * 10 + task)) for task in range(5))))

    with ThreadPoolExecutor(4) as threads:
        used = sum(threads.map(lambda seed: asyncio.run(spend_together(seed)), range(4)))
    assert used == budget.spending.num_tokens
    assert budget.spending.reserved.num_tokens == 0
    assert budget.spending.num_requests == 300 or 20_000 - 100 < used <= 20_000


def test_a_budget_below_zero_is_none():
    with pytest.raises(ValueError, match="none"):
        Budget(max_tokens=-1)
