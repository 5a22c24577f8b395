"""The worksheet of one turn: payments read, made and changed in memory, then stored set-based."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from feiqian.instruments.usage import Counting, open_counting
from feiqian.instruments.wallet import Wallet, house_wallet, resolve
from feiqian.kernel.book import Turn
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.queries import Writing, load, together
from feiqian.ledger import Pen, open_pen
from feiqian.merchants.contract import Contract, contracts
from feiqian.payments.lifecycle import after
from feiqian.payments.payment import PaidLeg, Payment, Step
from feiqian.payments.view import show_payment

queries = load(Path(__file__).parent)

_NEW = tuple(name for name in Payment.__struct_fields__ if name != "legs")
_JSON = msgspec.json.Encoder()


class Worksheet:
    """Everything one batch needs to decide, and everything it decided."""

    def __init__(
        self,
        turn: Turn,
        wallets: dict[UUID, Wallet],
        terms: dict[object, Contract],
        counting: Counting,
        pen: Pen,
        steps: dict[UUID, int],
    ) -> None:
        self.turn = turn
        self.wallets = wallets
        self.terms = terms  # by merchant, and by contract id
        self.counting = counting
        self.pen = pen
        self.outbox = Outbox()
        self._last_step = steps
        self._new: dict[UUID, Payment] = {}
        self._changed: dict[UUID, Payment] = {}
        self._steps: list[Step] = []

    @property
    def at(self) -> datetime:
        """The moment of everything on this sheet."""
        return self.turn.at

    def add(self, payment: Payment) -> None:
        """A new payment."""
        self._new[payment.id] = payment

    def step(
        self, payment: Payment, step: str, amount: int | None = None, detail: dict[str, Any] | None = None
    ) -> None:
        """Take a step of the lifecycle and remember it. Raises: WrongState."""
        payment.state = after(payment.state, step)
        n = self._last_step[payment.id] = self._last_step.get(payment.id, 0) + 1
        self._steps.append(Step(payment.id, n, step, payment.state, amount, detail or {}, self.at))
        if payment.id not in self._new:
            self._changed[payment.id] = payment

    def tell(self, payment: Payment, type: str) -> None:
        """Announce what has become of a payment, to the one who was or is to be paid."""
        refund = payment.reverses is not None
        owner = payment.payer_owner if refund else payment.payee_owner
        self.outbox.tell(type, payment.id, owner, {"payment": show_payment(payment)})

    async def write(self) -> None:
        """Store all: payments, legs, steps, usage, movements, events and timers, in one transaction."""
        connection = self.turn.connection
        if self._changed:
            await self._write_changed(connection)
        steps = self._steps
        writings: list[Writing] = [
            *self._new_rows(),
            *self.counting.writings(),
            *self.outbox.writings(self.turn),
        ]
        if steps:
            columns = {
                "payments": [s.payment for s in steps],
                "ns": [s.n for s in steps],
                "steps": [s.step for s in steps],
                "states": [s.state for s in steps],
                "amounts": [s.amount for s in steps],
                "details": [_text(s.detail) for s in steps],
                "at": [s.at for s in steps],
            }
            writings.append((queries.add_steps, columns))
        await together(connection, *writings)
        await self.pen.write()

    def _new_rows(self) -> Iterator[Writing]:
        payments = list(self._new.values())
        if not payments:
            return
        columns = {name: [getattr(p, name) for p in payments] for name in _NEW}
        columns["refusal"] = [None if r is None else _text(r) for r in columns["refusal"]]
        columns["refs"] = [_text(refs) for refs in columns["refs"]]
        yield queries.add_payments, columns
        legs = [(payment.id, leg) for payment in payments for leg in payment.legs]
        if legs:
            yield (
                queries.add_legs,
                {
                    "payments": [id for id, _ in legs],
                    "ns": [leg.n for _, leg in legs],
                    "sources": [leg.source for _, leg in legs],
                    "targets": [leg.target for _, leg in legs],
                    "amounts": [leg.amount for _, leg in legs],
                    "whys": [leg.why for _, leg in legs],
                    "taken": [leg.taken for _, leg in legs],
                    "returned": [leg.returned for _, leg in legs],
                    "holds": [leg.hold for _, leg in legs],
                    "contracts": [leg.contract for _, leg in legs],
                },
            )

    async def _write_changed(self, connection: Any) -> None:
        payments = list(self._changed.values())
        await queries.change_payments(
            connection,
            ids=[p.id for p in payments],
            states=[p.state for p in payments],
            held=[p.held for p in payments],
            captured=[p.captured for p in payments],
            refunded=[p.refunded for p in payments],
        )
        legs = [(payment.id, leg) for payment in payments for leg in payment.legs]
        if legs:
            await queries.change_legs(
                connection,
                payments=[id for id, _ in legs],
                ns=[leg.n for _, leg in legs],
                taken=[leg.taken for _, leg in legs],
                returned=[leg.returned for _, leg in legs],
                holds=[leg.hold for _, leg in legs],
            )


def _text(value: Any) -> str:
    return _JSON.encode(value).decode()


async def open_worksheet(
    turn: Turn,
    wallets: Iterable[UUID],
    payments: Sequence[Payment] = (),
    *,
    currencies: Iterable[str] = (),
    counted: bool = True,
) -> Worksheet:
    """Read what it takes to decide about these wallets and these existing payments.

    currencies: in which merchants may be charged a fee.
    """
    ids = {*wallets, *(house_wallet("fee_income", code) for code in currencies)}
    holds: list[UUID] = []
    for payment in payments:
        ids.add(house_wallet("fee_income", payment.currency))
        for leg in payment.legs:
            ids.update((leg.source, leg.target))
            if leg.hold is not None:
                holds.append(leg.hold)
    found = await resolve(turn, ids)
    owners = [wallet.owner for wallet in found.values() if wallet.is_customers]
    merchants = [wallet.owner for wallet in found.values() if wallet.kind == "merchant_payable"]
    named = [leg.contract for p in payments for leg in p.legs if leg.contract is not None]
    terms = await contracts(turn, merchants, named)
    counting = await open_counting(turn, owners if counted else ())
    pen = await open_pen(turn, [wallet.account_key for wallet in found.values()], holds)
    steps: dict[UUID, int] = {}
    if payments:
        rows = await queries.last_steps(turn.connection, ids=[payment.id for payment in payments])
        steps = {row["payment"]: row["n"] for row in rows}
    return Worksheet(turn, found, terms, counting, pen, steps)


async def load_payments(connection: Any, ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """Payments with their legs, by id, in the order asked; ids that do not exist are left out."""
    if not ids:
        return {}
    rows = {row["id"]: row for row in await queries.by_id(connection, ids=list(set(ids)))}
    payments = {id: Payment(**dict(rows[id]), legs=[]) for id in ids if id in rows}
    if payments:
        for row in await queries.legs_of(connection, ids=list(payments)):
            payments[row["payment"]].legs.append(PaidLeg(*row[1:]))
    return payments
