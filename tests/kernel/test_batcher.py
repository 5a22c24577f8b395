"""The batcher: alone at once, together when there are many, and one bad item harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from feiqian.kernel.batcher import Batcher
from feiqian.kernel.errors import Broken, NotFound, Unavailable

pytestmark = pytest.mark.anyio


class Work:
    """Doubles numbers; holds each batch until let go; some numbers break it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, items: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(items))
        await self.free.wait()
        if 13 in items:
            raise ZeroDivisionError("13")
        if 99 in items:
            raise Unavailable()
        return [NotFound() if item == 7 else item * 2 for item in items]


async def test_the_first_goes_at_once_and_the_others_together() -> None:
    work = Work()
    work.free.clear()
    batcher: Batcher[int, int] = Batcher("double", work, most=4)
    asked = [asyncio.create_task(batcher.ask(n)) for n in (1, 2, 3, 4, 5, 6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.free.set()
    assert await asyncio.gather(*asked) == [2, 4, 6, 8, 10, 12]
    assert [len(batch) for batch in work.batches] in ([4, 2], [1, 4, 1])
    await batcher.drained()


async def test_one_that_breaks_everything_is_set_apart() -> None:
    batcher: Batcher[int, int] = Batcher("double", Work())
    answers = await asyncio.gather(*(batcher.ask(n) for n in (1, 13, 7, 2)), return_exceptions=True)
    assert (answers[0], answers[3]) == (2, 4)
    assert isinstance(answers[1], Broken)
    assert isinstance(answers[2], NotFound)


async def test_when_the_database_is_away_everybody_hears_it_once() -> None:
    work = Work()
    batcher: Batcher[int, int] = Batcher("double", work)
    answers = await asyncio.gather(*(batcher.ask(n) for n in (1, 99)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert len(work.batches) == 1  # not asked again one by one
    assert await batcher.ask(3) == 6


async def test_who_goes_away_takes_only_its_own_answer_along() -> None:
    work = Work()
    work.free.clear()
    batcher: Batcher[int, int] = Batcher("double", work)
    gone, stays = (asyncio.create_task(batcher.ask(n)) for n in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    work.free.set()
    assert await stays == 4
    await batcher.drained()


async def test_more_than_may_wait_are_turned_away() -> None:
    """F7: the queue is bounded."""
    work = Work()
    work.free.clear()
    batcher: Batcher[int, int] = Batcher("double", work, most=1, waiting_most=2)
    asked = [asyncio.create_task(batcher.ask(n)) for n in range(6)]
    for _ in range(5):
        await asyncio.sleep(0)
    work.free.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert any(isinstance(answer, Unavailable) for answer in answers)
    assert sum(not isinstance(answer, BaseException) for answer in answers) >= 2
