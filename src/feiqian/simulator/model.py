"""Model: the town's own books, kept by what was acknowledged and by nothing else.

It knows no holds table, no legs, no batches: a purse per person, a till per shop, the house's fees,
and what each payment has become. Whoever is told "done" twice for one payment, or done with another
amount than asked, is a fault.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from feiqian.simulator.town import Shop

Purse = tuple[str, int]
"""Whose money: ("person", n), ("shop", n), ("fees", 0), ("custody", 0)."""

FEES: Purse = ("fees", 0)
CUSTODY: Purse = ("custody", 0)
FAULTS_MOST = 50


@dataclass
class Paid:
    """What a payment has become. act: which act of the plan it was for."""

    act: int
    kind: str
    payer: Purse
    payee: Purse
    amount: int
    shop: Shop | None = None
    captured: int = 0
    refunded: int = 0
    is_open: bool = False
    fee: int = 0

    @property
    def held(self) -> int:
        """What is still promised."""
        return self.amount - self.captured if self.is_open else 0


class Model:
    """Expected balances and payments, counted act by act."""

    def __init__(self) -> None:
        self.purses: dict[Purse, int] = defaultdict(int)
        self.payments: dict[str, Paid] = {}
        self.refunds: dict[str, int] = {}
        self.refused: Counter[str] = Counter()
        self.count: Counter[str] = Counter()
        self.moved: Counter[str] = Counter()
        self.faults: list[str] = []

    def fault(self, text: str) -> None:
        """Something is not as it must be."""
        if len(self.faults) < FAULTS_MOST:
            self.faults.append(text)

    def pay(
        self, id: str, act: int, kind: str, payer: Purse, payee: Purse, amount: int, shop: Shop | None = None
    ) -> None:
        """A payment was acknowledged as taken."""
        paid = self._new(id, Paid(act, kind, payer, payee, amount, shop))
        self.count[kind] += 1
        self._take(paid, amount)

    def hold(self, id: str, act: int, payer: Purse, payee: Purse, amount: int, shop: Shop) -> None:
        """A payment was acknowledged as held."""
        self._new(id, Paid(act, "shop", payer, payee, amount, shop, is_open=True))
        self.count["holds"] += 1

    def capture(self, id: str, amount: int, *, final: bool = True) -> None:
        """So much of a hold was acknowledged as taken."""
        paid = self.payments[id]
        if not paid.is_open or paid.captured + amount > paid.amount:
            self.fault(f"{id}: captured {amount} of {paid.held} held")
        paid.is_open = not final and paid.captured + amount < paid.amount
        self._take(paid, amount)

    def release(self, id: str) -> None:
        """The rest of a hold was given back, by request or by time."""
        self.payments[id].is_open = False

    def refund(self, id: str, of: str, amount: int) -> None:
        """A refund was acknowledged."""
        if id in self.refunds:
            self.fault(f"{id}: told twice to be done")
            return
        self.refunds[id] = amount
        paid = self.payments[of]
        paid.refunded += amount
        if paid.refunded > paid.captured:
            self.fault(f"{of}: more refunded than was taken")
        self._move(paid.payee, paid.payer, amount)
        if paid.shop is not None and paid.shop.trade.on_refund == "return":
            due = paid.shop.fee(paid.captured - paid.refunded) if paid.captured > paid.refunded else 0
            self._move(FEES, paid.payee, paid.fee - due)
            paid.fee = due
        self.count["refunds"] += 1
        self.moved["refunds"] += amount

    def refuse(self, code: str) -> None:
        """A request was acknowledged as refused: nothing moves."""
        self.refused[code] += 1

    def _new(self, id: str, paid: Paid) -> Paid:
        before = self.payments.setdefault(id, paid)
        if before is not paid:
            self.fault(f"{id}: one payment for act {before.act} and act {paid.act}")
        return paid

    def _take(self, paid: Paid, amount: int) -> None:
        paid.captured += amount
        self._move(paid.payer, paid.payee, amount)
        if paid.shop is not None:
            due = paid.shop.fee(paid.captured)
            self._move(paid.payee, FEES, due - paid.fee)
            paid.fee = due
        self.moved[paid.kind] += amount

    def _move(self, source: Purse, target: Purse, amount: int) -> None:
        self.purses[source] -= amount
        self.purses[target] += amount

    # When the day is over -------------------------------------------------------------------------

    def compare_purses(self, said: Mapping[Purse, int], where: str) -> None:
        """Set balances as told by the platform against ours. said: fen, by purse; all of some kinds."""
        for purse, balance in said.items():
            if balance != self.purses[purse]:
                name = f"{purse[0]} {purse[1]}"
                self.fault(f"{where}: {name} has {balance}, expected {self.purses[purse]}")

    def compare_payments(self, said: Mapping[str, tuple[int, int, int]]) -> None:
        """Set payments in the database against ours. said: captured, refunded, held by id."""
        for id, paid in self.payments.items():
            ours = (paid.captured, paid.refunded, paid.held)
            if id not in said:
                self.fault(f"{id}: acknowledged for act {paid.act}, and not there")
            elif said[id] != ours:
                self.fault(f"{id}: captured, refunded, held are {said[id]}, expected {ours}")
        for id in said.keys() - self.payments.keys():
            self.fault(f"{id}: there, and never acknowledged")

    def compare_refunds(self, said: Mapping[str, int]) -> None:
        """Set refunds in the database against ours. said: amount by id."""
        for id in self.refunds.keys() | said.keys():
            if said.get(id) != self.refunds.get(id):
                self.fault(f"{id}: refund of {said.get(id)}, expected {self.refunds.get(id)}")
