"""The batcher: requests that arrive while one is under way go together in the next transaction.

A request that finds nothing under way goes at once, so low load keeps its low latency; high load
shares turns and commits, and a hot account is touched once per batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Generic, TypeVar

from feiqian.kernel import metrics
from feiqian.kernel.errors import Broken, FeiqianError, Unavailable
from feiqian.kernel.logs import logger

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


_Waiting = tuple[Asked, "asyncio.Future[Answer]", float]  # the last: when it came


HANDED_OUT_AT_ONCE = 1


class Batcher(Generic[Asked, Answer]):
    """Gathers items for `work`, which answers a list of them in order."""

    def __init__(
        self,
        verb: str,
        work: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]],
        most: int = 500,
        waiting_most: int = 5_000,
        waiting_seconds_max: float = 10.0,
    ) -> None:
        """most: items in one batch. waiting_most: more than that are turned away at once.

        waiting_seconds_max: one that has waited longer for its batch to begin is turned away.
        """
        self._verb = verb
        self._work = work
        self._most = most
        self._waiting_most = waiting_most
        self._waiting_seconds_max = waiting_seconds_max
        self._waiting: list[_Waiting[Asked, Answer]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, item: Asked) -> Answer:
        """The answer to one item. Raises: Unavailable when too many wait; what work raises for it alone."""
        if len(self._waiting) >= self._waiting_most:
            raise Unavailable(waiting=len(self._waiting))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer, perf_counter()))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        # A caller that goes away takes only its own answer along: the batch is not its child.
        return await answer

    async def drained(self) -> None:
        """Wait until nothing is under way, as at shutdown."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer(self._in_time(batch))
        finally:
            self._running = None

    def _in_time(self, batch: Sequence[_Waiting[Asked, Answer]]) -> Sequence[_Waiting[Asked, Answer]]:
        """Those who have not waited too long; the others are told so, that they may ask again."""
        since = perf_counter() - self._waiting_seconds_max
        for _, answer, came_at in batch:
            if came_at < since and not answer.done():
                answer.set_exception(Unavailable(reason="waited too long"))
        return [each for each in batch if each[2] >= since]

    async def _answer(self, batch: Sequence[_Waiting[Asked, Answer]]) -> None:
        if not batch:
            return
        started = perf_counter()
        try:
            answers: Sequence[Answer | BaseException] = await self._work([item for item, _, _ in batch])
            if len(answers) != len(batch):
                raise Broken(verb=self._verb, asked=len(batch), answered=len(answers))
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, Unavailable):
                # One item that breaks everything must not refuse its neighbours: each goes alone.
                for one in batch:
                    await self._answer([one])
                return
            if not isinstance(error, FeiqianError):
                logger("batcher").exception("batch_failed", verb=self._verb)
                error = Broken(verb=self._verb)
            answers = [error] * len(batch)
        metrics.batch(self._verb, len(batch), perf_counter() - started)
        _hand_out([(future, answer) for (_, future, _), answer in zip(batch, answers, strict=True)])


def _hand_out(answers: Sequence[tuple[asyncio.Future[Answer], Answer | BaseException]]) -> None:
    """Give answers to those who wait, a few in each round of the loop.

    All at once, their handlers would run before the next batch's first reply from the database is
    read; a few at a time, they run while the database works.
    """
    for future, answer in answers[:HANDED_OUT_AT_ONCE]:
        if future.done():
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
    rest = answers[HANDED_OUT_AT_ONCE:]
    if rest:
        asyncio.get_running_loop().call_soon(_hand_out, rest)
