"""Once: a request with an Idempotency-Key happens once, and everybody who asks hears the same answer.

The key, what the request was and what was answered are stored with the money, in one transaction;
a refusal for the state of the books is an answer like any other. A request that could not be read,
or that failed for a technical reason, leaves its key free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from feiqian.kernel.audit import SYSTEM, Actor
from feiqian.kernel.batcher import Batcher
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.errors import Refused
from feiqian.kernel.queries import load
from feiqian.web.problem import Asker, encode, problem

queries = load(Path(__file__).parent)

# Longer than the longest hold, so that no capture can be repeated after its key is forgotten.
KEPT_FOR = timedelta(days=35)

Command = TypeVar("Command")
Result = TypeVar("Result")


class KeyReused(Refused):
    """This Idempotency-Key was used for another request. Use a new key, or repeat that very request."""

    code, status, zh = "idempotency_key_reused", 422, "该幂等键已用于另一个请求，请换新键或原样重发。"


class Asked(msgspec.Struct, Generic[Command], frozen=True):
    """A request at the door. actor: who asks; principal: whose key it is; fingerprint: SHA-256 of what
    is asked.

    kept: False for a request that came without an Idempotency-Key, or whose answer holds a secret; its
    key is then one that nobody else has.
    """

    principal: UUID
    key: str
    fingerprint: bytes
    asker: Asker
    command: Command
    kept: bool = True
    actor: Actor = SYSTEM


class Answered(msgspec.Struct, frozen=True):
    """What was answered. replayed: it had been answered before."""

    status: int
    body: bytes
    replayed: bool = False


def fingerprint(method: str, path: str, body: Any) -> bytes:
    """What tells one request from another: method, path and content, whatever its spacing and order."""
    return hashlib.sha256(f"{method} {path}\n".encode() + msgspec.json.encode(body)).digest()


class Once(Generic[Command, Result]):
    """The door to one verb of one book: gathers requests, carries each out once, keeps the answers."""

    def __init__(
        self,
        book: Book,
        name: str,
        verb: Callable[[Turn, Sequence[Command]], Awaitable[Sequence[Result]]],
        render: Callable[[Turn, Sequence[Result], Sequence[Asker]], Awaitable[Sequence[tuple[int, bytes]]]],
        most: int = 500,
        subject: Callable[[Command], UUID] | None = None,
    ) -> None:
        """render: status and body per result, as each asker is to hear it.

        subject: what a command makes or changes, by which the audit log finds who asked for it.
        """
        self._subject = subject
        self._book = book
        self._verb = verb
        self._render = render
        patience = book.database.patience_seconds
        self._batcher = Batcher(name, self._together, most, waiting_seconds_max=patience)

    async def ask(self, asked: Asked[Command]) -> Answered:
        """The one answer to a request. Raises: KeyReused, Unavailable."""
        return await self._batcher.ask(asked)

    async def drained(self) -> None:
        """Wait until nothing is under way."""
        await self._batcher.drained()

    async def _together(self, batch: Sequence[Asked[Command]]) -> Sequence[Answered]:
        return await self._book.write(lambda turn: self._in_turn(turn, batch))

    async def _in_turn(self, turn: Turn, batch: Sequence[Asked[Command]]) -> Sequence[Answered]:
        known = await self._known(turn, batch)
        fresh: dict[tuple[UUID, str], Asked[Command]] = {}
        for each in batch:
            if (each.principal, each.key) not in known:
                fresh.setdefault((each.principal, each.key), each)
        first = set(map(id, fresh.values()))
        if fresh:
            known |= await self._carry_out(turn, list(fresh.values()))
        answers = []
        for each in batch:
            kept_fingerprint, answer = known[each.principal, each.key]
            if kept_fingerprint != each.fingerprint:
                answers.append(_problem(KeyReused("Idempotency-Key"), each.asker))
            elif id(each) in first:
                answers.append(answer)
            else:
                answers.append(msgspec.structs.replace(answer, replayed=True))
        return answers

    async def _known(
        self, turn: Turn, batch: Sequence[Asked[Command]]
    ) -> dict[tuple[UUID, str], tuple[bytes, Answered]]:
        kept = [each for each in batch if each.kept]
        if not kept:
            return {}
        rows = await queries.answers(
            turn.connection, principals=[each.principal for each in kept], keys=[each.key for each in kept]
        )
        return {
            (row["principal"], row["key"]): (row["fingerprint"], Answered(row["status"], row["body"], True))
            for row in rows
        }

    async def _carry_out(
        self, turn: Turn, fresh: Sequence[Asked[Command]]
    ) -> dict[tuple[UUID, str], tuple[bytes, Answered]]:
        if self._subject is not None:
            for each in fresh:
                turn.actors.setdefault(self._subject(each.command), each.actor)
        results = await self._verb(turn, [each.command for each in fresh])
        rendered = await self._render(turn, results, [each.asker for each in fresh])
        kept = [(each, answer) for each, answer in zip(fresh, rendered, strict=True) if each.kept]
        if kept:
            await queries.keep_answers(
                turn.connection,
                principals=[each.principal for each, _ in kept],
                keys=[each.key for each, _ in kept],
                fingerprints=[each.fingerprint for each, _ in kept],
                statuses=[status for _, (status, _) in kept],
                bodies=[body for _, (_, body) in kept],
                at=turn.at,
            )
        return {
            (each.principal, each.key): (each.fingerprint, Answered(status, body))
            for each, (status, body) in zip(fresh, rendered, strict=True)
        }


def _problem(error: Refused, asker: Asker) -> Answered:
    return Answered(error.status, encode(problem(error, asker)))


async def forget_old(turn: Turn) -> None:
    """Drop answers nobody will ask for again."""
    await queries.forget_answers(turn.connection, before=turn.at - KEPT_FOR)
