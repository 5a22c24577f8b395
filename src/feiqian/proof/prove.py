"""Prove: go through a whole book in one snapshot, page by page, and say what holds and what does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.book import Book
from feiqian.kernel.ids import show
from feiqian.kernel.queries import load
from feiqian.ledger import verify
from feiqian.proof.judge import (
    Answer,
    Around,
    Fault,
    Invariant,
    LegRow,
    Named,
    PaymentRow,
    PurchaseRow,
    StepRow,
    Unreadable,
    Way,
    judge_answers,
    judge_payment,
    read_answer,
)

queries = load(Path(__file__).parent)

PAGE = 2_000
FAULTS_MOST = 100  # kept of each kind; all are counted
MEANS: dict[Invariant, str] = {
    "I1": "all entries of every currency sum to zero",
    "I2": "every balance is the sum of its entries, every hold is an open one",
    "I3": "no account was below its floor at any moment",
    "I4": "captures, refunds, fees and purchases agree with the ledger, payment by payment",
    "I5": "every answered request happened once, every refused one left nothing",
}
INVARIANTS: tuple[Invariant, ...] = tuple(MEANS)

_COUNTED = ("payments", "transfers", "deposits", "refunds", "refused", "answers", "entries", "blocks")
_NO_ID = UUID(int=0)


class Proof(msgspec.Struct):
    """What a proof of a book found. payments: at shops; refused: payments that were refused."""

    book: str = ""
    payments: int = 0
    transfers: int = 0
    deposits: int = 0
    refunds: int = 0
    refused: int = 0
    answers: int = 0
    entries: int = 0
    blocks: int = 0
    head: str = ""
    seconds: float = 0.0
    chain_verified: bool = True
    broken: dict[str, int] = {}
    faults: list[str] = []

    @property
    def invariants(self) -> dict[str, bool]:
        """Which of the five hold."""
        return {name: name not in self.broken for name in INVARIANTS}

    @property
    def books_balanced(self) -> bool:
        """Entries sum to zero, balances are their sums, and nobody is below a floor."""
        return not {"I1", "I2", "I3"} & self.broken.keys()

    @property
    def ok(self) -> bool:
        """Everything holds."""
        return self.chain_verified and not self.broken

    @property
    def verified(self) -> int:
        """How many payments of all kinds were looked at."""
        return self.payments + self.transfers + self.deposits + self.refunds + self.refused

    def line(self) -> dict[str, Any]:
        """As one line for machines."""
        return {
            "book": self.book,
            "payments": self.payments,
            "transfers": self.transfers,
            "deposits": self.deposits,
            "refused": self.refused,
            "refunds": self.refunds,
            "answers": self.answers,
            "entries": self.entries,
            "blocks": self.blocks,
            "head": self.head,
            "seconds": round(self.seconds, 3),
            "payments_per_second": round(self.verified / self.seconds, 1) if self.seconds else 0.0,
            "books_balanced": self.books_balanced,
            "chain_verified": self.chain_verified,
            "invariants": self.invariants,
            "faults": self.faults,
        }

    def note(self, faults: Iterable[Fault]) -> None:
        """Remember what does not hold."""
        for fault in faults:
            self.broken[fault.invariant] = self.broken.get(fault.invariant, 0) + 1
            if self.broken[fault.invariant] <= FAULTS_MOST:
                self.faults.append(f"{fault.invariant} {fault.text}")


async def prove_book(book: Book) -> Proof:
    """Prove a book in a snapshot of its own."""
    async with (
        book.database.read() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return await prove(connection, book.name)


async def prove(connection: Any, name: str = "") -> Proof:
    """Prove the book that a connection sees. Run it in one repeatable-read snapshot.

    Memory: a page of payments at a time, and a small tuple per account.
    """
    started = perf_counter()
    proof = Proof(name)
    await _ledger(connection, proof)
    await _lost(connection, proof)
    await _payments(connection, proof)
    await _answers(connection, proof)
    proof.seconds = perf_counter() - started
    return proof


def total(proofs: Sequence[Proof]) -> Proof:
    """Several books as one."""
    whole = Proof(" ".join(proof.book for proof in proofs))
    for proof in proofs:
        for field in _COUNTED:
            setattr(whole, field, getattr(whole, field) + getattr(proof, field))
        whole.seconds += proof.seconds
        whole.chain_verified &= proof.chain_verified
        for invariant, count in proof.broken.items():
            whole.broken[invariant] = whole.broken.get(invariant, 0) + count
        whole.faults += [f"{proof.book}: {fault}" for fault in proof.faults]
    return whole


async def _ledger(connection: Any, proof: Proof) -> None:
    found = await verify(connection)
    proof.entries, proof.blocks, proof.head = found.entries, found.blocks, found.head
    proof.chain_verified = found.chain
    parts: tuple[tuple[bool, Invariant], ...] = (
        (found.zero, "I1"),
        (found.balances, "I2"),
        (found.holds, "I2"),
        (found.floors, "I3"),
    )
    for holds, invariant in parts:
        if not holds:
            proof.broken[invariant] = proof.broken.get(invariant, 0) + 1
    proof.faults += [f"ledger {text}" for text in found.faults]
    for row in await queries.mixed_units(connection, most=FAULTS_MOST):
        proof.note([Fault("I1", f"entry {row['seq']} moves between accounts of different units")])


async def _lost(connection: Any, proof: Proof) -> None:
    """What names a payment that is not there."""
    for row in await queries.lost_transfers(connection, most=FAULTS_MOST):
        named = show("pay", row["payment"])
        proof.note([Fault("I5", f"entry {row['seq']} is for {named}, which is not there")])
    for row in await queries.lost_steps(connection, most=FAULTS_MOST):
        proof.note([Fault("I5", f"{show('pay', row['payment'])} has steps and is not there")])
    for row in await queries.lost_purchases(connection, most=FAULTS_MOST):
        proof.note([Fault("I4", f"{show('pur', row['id'])} is paid by a payment that is not there")])
    for row in await queries.lost_events(connection, most=FAULTS_MOST):
        proof.note([Fault("I5", f"{show('evt', row['id'])} tells of a payment that is not there")])


async def _payments(connection: Any, proof: Proof) -> None:
    last = _NO_ID
    while rows := await queries.payments_after(connection, id=last, most=PAGE):
        page = [PaymentRow(*row) for row in rows]
        last = page[-1].id
        around = await _around(connection, page)
        for payment in page:
            _count(proof, payment)
            proof.note(judge_payment(payment, around(payment)))


def _count(proof: Proof, payment: PaymentRow) -> None:
    if payment.state == "refused":
        proof.refused += 1
    elif payment.kind == "refund":
        proof.refunds += 1
    elif payment.kind == "transfer":
        proof.transfers += 1
    elif payment.kind == "deposit":
        proof.deposits += 1
    else:
        proof.payments += 1


async def _around(connection: Any, page: Sequence[PaymentRow]) -> Callable[[PaymentRow], Around]:
    """What the other tables say of a page of payments. -> look-up by payment."""
    ids = [payment.id for payment in page]
    legs: dict[UUID, list[LegRow]] = defaultdict(list)
    for row in await queries.legs_of(connection, ids=ids):
        legs[row["payment"]].append(LegRow(*row))
    steps: dict[UUID, list[StepRow]] = defaultdict(list)
    for row in await queries.steps_of(connection, ids=ids):
        steps[row["payment"]].append(StepRow(*row))
    moved: dict[UUID, dict[Way, int]] = defaultdict(dict)
    for row in await queries.moved_of(connection, ids=ids):
        moved[row["payment"]][row["debit_key"], row["credit_key"], row["code"]] = row["amount"]
    holds: dict[UUID, dict[UUID, int | None]] = defaultdict(dict)
    for row in await queries.holds_of(connection, ids=ids):
        holds[row["payment"]][row["id"]] = row["amount"]
    events: dict[UUID, list[Any]] = defaultdict(list)
    for row in await queries.events_of(connection, ids=ids):
        events[row["subject"]].append((row["type"], row["at"]))
    refunds = {row["reverses"]: row["amount"] for row in await queries.refunds_of(connection, ids=ids)}
    returned: dict[UUID, dict[tuple[UUID, UUID], int]] = defaultdict(dict)
    for row in await queries.returned_of(connection, ids=ids):
        returned[row["reverses"]][row["target"], row["source"]] = row["amount"]
    purchases = await _purchases(connection, page)

    def look_up(payment: PaymentRow) -> Around:
        id = payment.id
        own = {p.id: p for p in (*purchases.get(payment.subject, ()), *purchases.get(id, ()))}
        return Around(
            legs[id],
            steps[id],
            moved.get(id, {}),
            holds.get(id, {}),
            events[id],
            refunds.get(id, 0),
            returned.get(id, {}),
            list(own.values()),
        )

    return look_up


async def _purchases(connection: Any, page: Sequence[PaymentRow]) -> dict[UUID, list[PurchaseRow]]:
    """Purchases by their own id and by the payment that paid them."""
    shop = [payment for payment in page if payment.kind == "shop"]
    rows = await queries.purchases_of(
        connection, ids=[payment.id for payment in shop], subjects=[payment.subject for payment in shop]
    )
    found: dict[UUID, list[PurchaseRow]] = defaultdict(list)
    for row in rows:
        purchase = PurchaseRow(*row)
        found[purchase.id].append(purchase)
        if purchase.payment is not None:
            found[purchase.payment].append(purchase)
    return found


async def _answers(connection: Any, proof: Proof) -> None:
    principal, key = _NO_ID, ""
    while rows := await queries.answers_after(connection, principal=principal, key=key, most=PAGE):
        principal, key = rows[-1]["principal"], rows[-1]["key"]
        answers: list[Answer] = []
        for row in rows:
            proof.answers += 1
            try:
                answers.append(read_answer(row["key"], row["status"], row["body"]))
            except Unreadable:
                proof.note([Fault("I5", f"the answer to {row['key']!r} cannot be read")])
        named = [answer.payment for answer in answers if answer.payment is not None]
        payments = {row["id"]: Named(*row) for row in await queries.named_payments(connection, ids=named)}
        bought = [answer.purchase for answer in answers if answer.purchase is not None]
        rows = await queries.named_purchases(connection, ids=bought)
        purchases = {row["id"]: row["payment"] for row in rows}
        proof.note(judge_answers(answers, payments, purchases))
