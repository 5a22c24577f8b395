"""Charge: the cashier scans the code on the customer's device and takes the amount rung up.

The order number is the cashier's safety: who lost the answer asks again with the same number and
learns what happened, with the same code or another one, and nothing is taken twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from feiqian.instruments.device import (
    WRONG_CODES_MAX,
    Device,
    device_secret,
    devices_by_alias,
    note_wrong,
    use_codes,
)
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Broken, Refused, keep, revive
from feiqian.kernel.queries import together
from feiqian.payments import Payment, submit
from feiqian.payments.worksheet import load_payments
from feiqian.scenes.shop import emv_consumer, payment_code
from feiqian.scenes.shop.counter import Counter, counter_for, queries
from feiqian.scenes.shop.payment_code import STEP_SECONDS, PaymentCode
from feiqian.scenes.shop.purchase import (
    CodeCancelled,
    CodeExpired,
    CodeUsed,
    CodeWrong,
    DeviceLocked,
    NewPurchase,
    Purchase,
)

RECENT = 20  # time steps back within which a true code is called expired, not wrong


class Charge(msgspec.Struct, frozen=True):
    """Take what was rung up from who shows the code: 19 digits, or their EMVCo form in base64."""

    purchase: NewPurchase
    code: str


Mark = tuple[UUID, int, int]
"""What spends a code: device, time step, counter."""


async def charge(turn: Turn, asked: Sequence[Charge]) -> list[tuple[Purchase, Payment] | Refused]:
    """Charge customers' codes, in order. -> the purchase and its payment, or why there is none, each."""
    counter = await counter_for(turn, [each.purchase for each in asked])
    desk = _Desk(turn, counter, await _devices(turn, asked))
    answers: list[tuple[Purchase, Payment] | Refused | None] = [None] * len(asked)
    waiting = list(enumerate(asked))
    await desk.read_scans(asked)
    while waiting:
        waiting = await _round(desk, waiting, answers)
    await desk.write()
    return [answer for answer in answers if answer is not None]


async def _round(
    desk: _Desk,
    waiting: Sequence[tuple[int, Charge]],
    answers: list[tuple[Purchase, Payment] | Refused | None],
) -> list[tuple[int, Charge]]:
    """One scan per purchase; the others wait to see what becomes of it."""
    chosen: dict[UUID, tuple[int, Purchase, Mark, Device]] = {}
    later, asked_again = [], []
    for index, each in waiting:
        try:
            known = desk.counter.find(each.purchase)
            if known is not None and known.id in chosen:
                later.append((index, each))
            elif known is not None and known.state == "paid":
                asked_again.append((index, known))
            else:
                # The code first: a scan that makes no sense must not use the order number up.
                device, mark = desk.check(known, each.code)
                purchase = desk.counter.ring_up(each.purchase, with_code=False)
                chosen[purchase.id] = (index, purchase, mark, device)
        except Refused as refusal:
            answers[index] = refusal
    fresh = await use_codes(desk.turn, [mark for _, _, mark, _ in chosen.values()])
    for id, (index, _, mark, _) in list(chosen.items()):
        if mark in fresh:
            fresh.remove(mark)  # one code, one purchase, also within a batch
        else:
            answers[index] = CodeUsed("code")
            del chosen[id]
    orders = [
        purchase.order(device.wallet, desk.wallet(purchase), _refs(device, purchase))
        for _, purchase, _, device in chosen.values()
    ]
    for (index, purchase, mark, device), outcome in zip(
        chosen.values(), await submit(desk.turn, orders), strict=True
    ):
        desk.note(purchase, mark, device, outcome)
        answers[index] = outcome if isinstance(outcome, Refused) else (purchase, outcome)
    if asked_again:
        paid = await load_payments(desk.turn.connection, [p.payment for _, p in asked_again if p.payment])
        for index, purchase in asked_again:
            assert purchase.payment is not None
            answers[index] = (purchase, paid[purchase.payment])
    return later


def _refs(device: Device, purchase: Purchase) -> dict[str, str]:
    return {
        "code": "payment_code",
        "code_class": device.code_class,
        "merchant_order_no": purchase.merchant_order_no,
    }


class _Desk:
    """What a batch of scans knows of devices and of scans before."""

    def __init__(self, turn: Turn, counter: Counter, devices: dict[str, Device]) -> None:
        self.turn = turn
        self.counter = counter
        self._devices = devices
        self._wrong: list[UUID] = []
        self._before: dict[tuple[UUID, Mark], dict[str, Any]] = {}
        self._scans: list[tuple[UUID, Mark, str]] = []  # those that were refused

    async def read_scans(self, asked: Sequence[Charge]) -> None:
        """Earlier scans for the purchases that these order numbers already are."""
        known = [id for id in map(self.counter.known_id, (each.purchase for each in asked)) if id]
        for row in await queries.scans(self.turn.connection, purchases=known) if known else []:
            self._before[row["purchase"], (row["device"], row["step"], row["counter"])] = row["refusal"]

    def wallet(self, purchase: Purchase) -> UUID:
        return self.counter.shops[purchase.store].wallets[purchase.currency]

    def check(self, known: Purchase | None, text: str) -> tuple[Device, Mark]:
        """Whose code it is and what spends it. known: the purchase, when it was rung up before.

        Raises: Refused with what is wrong with the code.
        """
        if known is not None and known.state == "closed":
            raise CodeCancelled("merchant_order_no")
        code = _read(text, self.turn.book.codes.prefix)
        device = self._devices.get(code.alias)
        if device is None:
            raise CodeWrong("code")
        tries = device.wrong_codes + self._wrong.count(device.id)
        if device.is_locked(self.turn.at) or tries >= WRONG_CODES_MAX:
            raise DeviceLocked("code")
        if self.turn.book.sealing is None:
            raise Broken(sealing_keys="missing")
        key = device_secret(device, self.turn.book.sealing)
        step = payment_code.matching_step(key, code, self.turn.at)
        if step is None:
            self._refuse(key, code, device)
        assert step is not None
        mark = (device.id, step, code.counter)
        before = self._before.get((known.id, mark)) if known is not None else None
        if before is not None:
            raise revive(before)  # the first answer stands
        return device, mark

    def _refuse(self, key: bytes, code: PaymentCode, device: Device) -> None:
        for back in range(2, RECENT + 1):
            at = self.turn.at - timedelta(seconds=back * STEP_SECONDS)
            if payment_code.matching_step(key, code, at) is not None:
                raise CodeExpired("code")
        self._wrong.append(device.id)
        raise CodeWrong("code")

    def note(self, purchase: Purchase, mark: Mark, device: Device, outcome: Payment | Refused) -> None:
        self.counter.note(purchase, outcome)
        refusal = keep(outcome) if isinstance(outcome, Refused) else outcome.refusal
        if refusal is not None:
            # What was paid is remembered by its purchase; what was refused, only here.
            self._before[purchase.id, mark] = refusal
            self._scans.append((purchase.id, mark, msgspec.json.encode(refusal).decode()))

    async def write(self) -> None:
        if self._wrong:
            await note_wrong(self.turn, self._wrong)
        writings = list(self.counter.writings())
        if self._scans:
            columns = {
                "purchases": [purchase for purchase, _, _ in self._scans],
                "devices": [mark[0] for _, mark, _ in self._scans],
                "steps": [mark[1] for _, mark, _ in self._scans],
                "counters": [mark[2] for _, mark, _ in self._scans],
                "refusals": [refusal for _, _, refusal in self._scans],
                "at": self.turn.at,
            }
            writings.append((queries.add_scans, columns))
        await together(self.turn.connection, *writings)


async def _devices(turn: Turn, asked: Sequence[Charge]) -> dict[str, Device]:
    aliases = []
    for each in asked:
        try:
            aliases.append(_read(each.code, turn.book.codes.prefix).alias)
        except Refused:
            continue  # said to whom it concerns when its turn comes
    return await devices_by_alias(turn.connection, aliases)


def _read(text: str, prefix: str) -> PaymentCode:
    digits = text if text.isdigit() else emv_consumer.digits_of(text)
    return payment_code.split(digits, prefix)
