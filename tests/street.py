"""A street to test on: Alice and Bob, a tea house with a till, and short words for what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from feiqian.instruments.device import IssuedDevice, NewDevice
from feiqian.instruments.device import register as register_devices
from feiqian.instruments.wallet import HOUSE, open_wallets
from feiqian.kernel.errors import FeiqianError, Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import Money
from feiqian.kernel.secret import new_keys
from feiqian.ledger import Proof, balances, verify
from feiqian.merchants import NewCashier, NewMerchant, NewStore, NewTerminal
from feiqian.merchants import register as register_merchants
from feiqian.merchants.stores import add_cashiers, add_stores, add_terminals
from feiqian.parties import NewParty
from feiqian.parties import register as register_parties
from feiqian.payments import Capture, Leg, Order, Payment, Refund, cancel, capture, refund, submit
from feiqian.pricing import Terms
from feiqian.scenes.shop import payment_code
from feiqian.scenes.shop.charge import Charge, charge
from feiqian.scenes.shop.counter import ring_up
from feiqian.scenes.shop.purchase import NewPurchase, Purchase
from tests.books import Town


def cny(minor: int) -> Money:
    """Fen."""
    return Money(minor, "CNY")


class Street:
    """People and a shop in a town."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.wallets: dict[str, UUID] = {}
        self.parties: dict[str, UUID] = {}
        self.merchant = self.store = self.cashier = self.terminal = new_id()
        self.phone: IssuedDevice
        self._numbers = 0

    async def settle_in(self) -> None:
        """Alice (class III, 10,000.00), Bob (class III, nothing), a tea house at 0.60 %."""
        for name, phone in (("alice", "13800138001"), ("bob", "13800138002")):
            await self.person(name, phone)
        (shop,) = await self.town.write(
            register_merchants, [NewMerchant("Tea House", "5812", "Xi'an", terms=Terms(rate_bps=60))]
        )
        assert not isinstance(shop, Refused)
        self.merchant = shop.id
        (store,) = await self.town.write(add_stores, [NewStore(shop.id, "茶馆")])
        assert not isinstance(store, Refused)
        self.store = store.id
        (cashier,) = await self.town.write(add_cashiers, [NewCashier(store.id, "Wang")])
        (terminal,) = await self.town.write(add_terminals, [NewTerminal(store.id, "till 1")])
        assert not isinstance(cashier, Refused)
        assert not isinstance(terminal, Refused)
        self.cashier, self.terminal = cashier.id, terminal.id
        (self.wallets["shop"],) = await self.town.write(
            open_wallets, [(self.merchant, "merchant_payable", "CNY")]
        )
        (self.wallets["fees"],) = await self.town.write(open_wallets, [(HOUSE, "fee_income", "CNY")])
        await self.town.fund(self.wallets["alice"], 1_000_000)
        keys = new_keys()
        self.town.book.sealing = keys
        self.phone = await self.device("alice")

    async def person(self, name: str, phone: str | None = None, account_class: int = 3) -> UUID:
        """A person with a wallet; -> the wallet."""
        (party,) = await self.town.write(
            register_parties, [NewParty("person", name.title(), phone, account_class=account_class)]
        )
        assert not isinstance(party, Refused)
        self.parties[name] = party.id
        (self.wallets[name],) = await self.town.write(open_wallets, [(party.id, "customer_wallet", "CNY")])
        return self.wallets[name]

    async def device(self, name: str, code_class: Any = "a") -> IssuedDevice:
        """A phone that makes payment codes."""
        sealing = self.town.book.sealing
        (device,) = await self.town.write(
            register_devices, [NewDevice(self.parties[name], self.wallets[name], code_class)], sealing
        )
        assert not isinstance(device, Refused)
        return device

    def code(self, device: IssuedDevice | None = None, counter: int = 0) -> str:
        """What the phone shows now."""
        device = device or self.phone
        return payment_code.make(device.secret, device.device.alias, self.town.clock.now(), counter)

    def order(
        self,
        minor: int,
        payer: str = "alice",
        payee: str = "shop",
        *,
        subject: UUID | None = None,
        **more: Any,
    ) -> Order:
        """An order for goods."""
        legs = (Leg(self.wallets[payer], self.wallets[payee], cny(minor), "price"),)
        return Order("shop", subject or new_id(), legs, gates=("limits",), **more)

    async def pay(self, minor: int, **more: Any) -> Payment:
        """Submit one order; -> its payment, perhaps refused."""
        (answer,) = await self.submit([self.order(minor, **more)])
        assert isinstance(answer, Payment), answer
        return answer

    async def hold(self, minor: int, hours: float = 24, **more: Any) -> Payment:
        """Submit one order to be captured later."""
        return await self.pay(minor, capture="later", hold_for=timedelta(hours=hours), **more)

    async def submit(self, orders: Sequence[Order]) -> list[Payment | Refused]:
        """Submit orders in one turn."""
        return await self.town.write(submit, orders)

    async def capture(self, payment: Payment, amount: int | None = None, *, final: bool = True) -> Any:
        """Take from a hold; -> the payment or the refusal."""
        return (await self.town.write(capture, [Capture(payment.id, amount, final)]))[0]

    async def cancel(self, payment: Payment) -> Any:
        """Give a hold back."""
        return (await self.town.write(cancel, [payment.id]))[0]

    async def refund(self, payment: Payment, amount: int | None = None, id: UUID | None = None) -> Any:
        """Refund; -> the refund's payment or the refusal."""
        return (await self.town.write(refund, [Refund(id or new_id(), payment.id, amount)]))[0]

    def purchase(self, minor: int, number: str | None = None, **more: Any) -> NewPurchase:
        """What the cashier rings up."""
        self._numbers += 1
        return NewPurchase(
            store=self.store, merchant_order_no=number or f"N{self._numbers}", amount=cny(minor), **more
        )

    async def ring_up(self, minor: int, number: str | None = None, **more: Any) -> Purchase:
        """An open purchase with a dynamic code."""
        (purchase,) = await self.town.write(ring_up, [self.purchase(minor, number, **more)])
        assert not isinstance(purchase, Refused), purchase
        return purchase

    async def charge(self, minor: int, code: str | None = None, number: str | None = None) -> Any:
        """Scan a customer's code; -> (purchase, payment) or the refusal."""
        asked = Charge(self.purchase(minor, number), self.code() if code is None else code)
        return (await self.town.write(charge, [asked]))[0]

    async def balance(self, name: str) -> tuple[int, int]:
        """(posted, held) in fen."""
        key = (await self.town.sql("select account_key from wallet where id = $1", self.wallets[name]))[0][0]
        found = await self.town.read(balances, [key], self.town.clock.now())
        return found[key].posted, found[key].held

    async def proof(self) -> Proof:
        """The books, verified."""
        return await self.town.read(verify)

    async def movements(self, payment: Payment) -> list[str]:
        """What a payment moved, as `alice > shop 10.00 CNY price`."""
        names = {id: name for name, id in self.wallets.items()}
        rows = await self.town.sql(
            "select d.id as debit, c.id as credit, t.amount, t.code, t.flags from transfer t"
            " join account d on d.key = t.debit_key join account c on c.key = t.credit_key"
            " where t.payment = $1 order by t.seq",
            payment.id,
        )
        kinds = {0: "", 1: " held", 2: " posted", 4: " voided", 16: " expired"}
        return [
            f"{names.get(r['debit'], '?')} > {names.get(r['credit'], '?')} {cny(r['amount']).text()}"
            f"{kinds[r['flags'] & ~8]}"
            for r in rows
        ]


def code_of(answer: Any) -> str:
    """How a thing went: "ok", or the code of its refusal."""
    if isinstance(answer, tuple):
        answer = answer[1]
    if isinstance(answer, FeiqianError):
        return answer.code
    if isinstance(answer, Payment) and answer.refusal is not None:
        return str(answer.refusal["code"])
    return "ok"


@pytest.fixture
async def street(town: Town) -> AsyncIterator[Street]:
    """The street, settled."""
    street = Street(town)
    await street.settle_in()
    yield street
    proof = await street.proof()  # after every test, not only those about the books
    assert proof.ok, proof.faults
