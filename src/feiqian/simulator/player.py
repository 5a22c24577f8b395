"""Player: plays a plan over HTTP as people, tills and a bad network would, and tells the model."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from feiqian.scenes.shop import emv_merchant, payment_code
from feiqian.simulator.model import CUSTODY, Model, Purse
from feiqian.simulator.plan import Act, Plan, stand_price
from feiqian.simulator.town import CITY, CURRENCY, Person, Shop
from feiqian.simulator.wire import Reply, Wire

AT_ONCE = 32

Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Keys:
    """API keys by who asks: the institution, the shops' tills, the customers' app."""

    house: str
    till: str
    app: str


@dataclass
class _Customer:
    """A person as the API knows them, with the phone in their pocket."""

    id: str
    wallet: str
    alias: str = ""
    secret: bytes = b""
    step: int = 0
    counter: int = 0

    def code(self, at: datetime) -> str:
        """The digits to show; never the same twice, so a busy phone shows the next half minute's early."""
        step = payment_code.step_of(at)
        if step > self.step:
            self.step, self.counter = step, 0
        elif self.counter > 9:
            self.step, self.counter = self.step + 1, 0
        at += timedelta(seconds=(self.step - step) * payment_code.STEP_SECONDS)
        self.counter += 1
        return payment_code.make(self.secret, self.alias, at, self.counter - 1)


@dataclass
class _Counter:
    """A shop as the API knows it."""

    merchant: str
    store: str = ""
    cashier: str = ""
    terminal: str = ""
    stand: str = ""
    stand_id: str = ""
    stand_fixed: str = ""


class Player:
    """One day against one server. advanced: called with the number of acts done, for a display."""

    def __init__(
        self, plan: Plan, wire: Wire, keys: Keys, model: Model, advanced: Callable[[int], None]
    ) -> None:
        self.plan = plan
        self.town = plan.town
        self.wire = wire
        self.keys = keys
        self.model = model
        self.advanced = advanced
        self.customers: list[_Customer] = []
        self.counters: list[_Counter] = []
        self.lost = self.repeats = 0
        self._ahead = timedelta(0)  # of the book's clock before ours
        self._payments: dict[int, str] = {}  # payment id by act
        self._purchases: dict[int, tuple[str, str]] = {}  # id and code of purchases rung up for later
        self._payees: dict[int, str] = {}
        self._lapsing: list[int] = []

    @property
    def now(self) -> datetime:
        """The book's moment."""
        return datetime.now(UTC) + self._ahead

    # The town -------------------------------------------------------------------------------------

    async def settle_in(self) -> None:
        """Register everybody and everything."""
        self.customers = await self._all(self._welcome, self.town.people)
        self.counters = await self._all(self._open, self.town.shops)

    async def _welcome(self, person: Person) -> _Customer:
        reference = f"town-{person.n}"
        if person.account_class is None:
            body = {"name": person.name, "reference": reference, "currency": CURRENCY}
            made = await self._must("/v1/organisations", body)
            return _Customer(made["id"], made["wallets"][0]["id"])
        made = await self._must(
            "/v1/customers",
            {
                "name": person.name,
                "phone": person.phone,
                "reference": reference,
                "account_class": person.account_class,
                "currency": CURRENCY,
            },
        )
        wallet = made["wallets"][0]["id"]
        device = await self._must(
            f"/v1/customers/{made['id']}/devices", {"wallet": wallet, "code_class": person.code_class}
        )
        secret = device["secret"]
        key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        self.advanced(1)
        return _Customer(made["id"], wallet, device["alias"], key)

    async def _open(self, shop: Shop) -> _Counter:
        trade = shop.trade
        terms = {
            "rate_bps": trade.rate_bps,
            "fixed": trade.fixed,
            "cap": trade.cap,
            "on_refund": trade.on_refund,
        }
        made = await self._must(
            "/v1/merchants",
            {
                "name": shop.name,
                "mcc": trade.mcc,
                "city": CITY,
                "country": "CN",
                "currency": CURRENCY,
                "reference": f"shop-{shop.n}",
                "terms": terms,
            },
        )
        counter = _Counter(made["id"])
        body = {"merchant": made["id"], "name": shop.name, "city": CITY}
        counter.store = (await self._must("/v1/stores", body))["id"]
        at_store = {"store": counter.store}
        counter.cashier = (await self._must("/v1/cashiers", at_store | {"name": f"{shop.name}收银"}))["id"]
        counter.terminal = (await self._must("/v1/terminals", at_store | {"label": "1号机"}))["id"]
        stand = await self._must("/v1/codes", at_store | {"currency": CURRENCY})
        counter.stand, counter.stand_id = stand["code"], stand["id"]
        fixed = await self._must(
            "/v1/codes", at_store | {"currency": CURRENCY, "amount": _money(stand_price(shop))}
        )
        counter.stand_fixed = fixed["code"]
        self.advanced(1)
        return counter

    async def _must(self, path: str, body: Any, method: str = "POST") -> Any:
        """Of the institution itself; a no ends the run, as nothing after it could make sense."""
        reply = await self.wire.ask(method, path, self.keys.house, body)
        if not reply.is_ok:
            raise RuntimeError(f"{method} {path}: {reply.status} {reply.body}")
        return reply.body

    async def _all(self, work: Callable[[Item], Awaitable[Done]], items: Iterable[Item]) -> list[Done]:
        """Do the work for all items, some at once. -> what each gave, in order."""
        doors = asyncio.Semaphore(AT_ONCE)

        async def one(item: Item) -> Done:
            async with doors:
                return await work(item)

        return await asyncio.gather(*map(one, items))

    # The clock ------------------------------------------------------------------------------------

    async def turn_to(self, hour: int) -> None:
        """Move the book's clock forward to the full hour in Xi'an; to tomorrow's when that is past."""
        me = (await self.wire.ask("GET", "/v1/me", self.keys.house)).body
        # China keeps one time and no summer time, so a fixed distance is right.
        local = datetime.fromisoformat(me["now"]).astimezone(UTC) + timedelta(hours=8)
        target = local.replace(hour=hour % 24, minute=0, second=0, microsecond=0)
        if target <= local:
            target += timedelta(days=1)
        seconds = -(-(target - local) // timedelta(seconds=1))
        await self._must("/v1/clock/advance", {"seconds": seconds})
        me = (await self.wire.ask("GET", "/v1/me", self.keys.house)).body
        self._ahead = datetime.fromisoformat(me["now"]) - datetime.now(UTC)

    async def play(self, acts: Sequence[Act]) -> None:
        """Play acts, many at once."""
        await self._all(self._play, acts)

    async def _play(self, act: Act) -> None:
        try:
            await getattr(self, f"_{act.kind}")(act)
        except Exception as error:
            # The day goes on; what is missing then shows in the comparison too.
            self.model.fault(f"act {act.n} {act.kind}: {type(error).__name__} {error}")
        self.advanced(1)

    # Asking ---------------------------------------------------------------------------------------

    async def _ask(
        self, act: Act, secret: str, path: str, body: dict[str, Any], step: str = "", upset: str | None = None
    ) -> Reply:
        """Ask with a key of the act's own, through whatever goes wrong on the way."""
        once = f"{self.plan.seed}-{act.n}-{step}" if step else f"{self.plan.seed}-{act.n}"
        trouble, _, times = (act.upset if upset is None else upset).partition(" ")
        if trouble == "lost":
            self.lost += 1
            await self.wire.hang_up("POST", path, secret, body, once)
        if trouble in ("repeat", "number"):
            return await self._repeat(act, secret, path, body, once, trouble, int(times))
        return await self.wire.ask("POST", path, secret, body, once)

    async def _repeat(
        self, act: Act, secret: str, path: str, body: dict[str, Any], once: str, how: str, times: int
    ) -> Reply:
        self.repeats += times - 1
        keys = [once if how == "repeat" else f"{once}-again-{n}" for n in range(times)]
        replies = await asyncio.gather(*(self.wire.ask("POST", path, secret, body, key) for key in keys))
        first = replies[0]
        if how == "repeat":
            told = {(reply.status, reply.raw) for reply in replies}
            if len(told) != 1 or sum(not reply.is_replayed for reply in replies) != 1:
                self.model.fault(f"act {act.n}: {times} repeats of one request were answered differently")
        elif len({_result(reply) for reply in replies}) != 1:
            self.model.fault(f"act {act.n}: {times} requests with one order number had different ends")
        return first

    def _answered(self, act: Act, reply: Reply) -> bool:
        """Whether it was carried out; any other end than the planned one is a fault."""
        if act.expect:
            if reply.code in act.expect.split("|"):
                self.model.refuse(reply.code)
            else:
                self.model.fault(
                    f"act {act.n} {act.kind}: {reply.status} {reply.code}, expected {act.expect}"
                )
            return False
        if not reply.is_ok:
            self.model.fault(f"act {act.n} {act.kind}: {reply.status} {reply.body}")
        return reply.is_ok

    def _good(self, act: Act, reply: Reply) -> Any:
        """The body of an answer on the way to the act's end. Raises: RuntimeError when it was a no."""
        if not reply.is_ok:
            raise RuntimeError(f"{reply.status} {reply.code}")
        return reply.body

    def _took(self, act: Act, reply: Reply, kind: str = "shop") -> None:
        """A payment at a shop was acknowledged."""
        payment = reply.body["payment"]
        self._check(act, payment, act.amount)
        self._payments[act.n] = payment["id"]
        payer, shop = ("person", act.person), self.town.shops[act.shop]
        self.model.pay(payment["id"], act.n, kind, payer, ("shop", act.shop), act.amount, shop)

    def _check(self, act: Act, payment: Any, captured: int) -> None:
        if payment["captured"]["amount"] != captured:
            self.model.fault(
                f"act {act.n}: {payment['id']} took {payment['captured']}, asked was {act.amount}"
            )

    # At the till ----------------------------------------------------------------------------------

    def _purchase(self, act: Act, **more: Any) -> dict[str, Any]:
        at = self.counters[act.shop]
        return {
            "store": at.store,
            "cashier": at.cashier,
            "terminal": at.terminal,
            "merchant_order_no": f"{self.plan.seed}-{act.n:06d}",
            "amount": _money(act.amount),
            **more,
        }

    async def _scan(self, act: Act) -> None:
        """The cashier scans the code on the customer's phone."""
        body = self._purchase(act, payment_code=self.customers[act.person].code(self.now))
        reply = await self._ask(act, self.keys.till, "/v1/purchases", body)
        if self._answered(act, reply):
            self._took(act, reply)

    async def _rung_up(self, act: Act, **more: Any) -> Any:
        """A purchase for the customer to scan; repeats and lost answers are for the payment itself."""
        upset = act.upset if act.upset.startswith("number") else ""
        body = self._purchase(act, **more)
        return self._good(act, await self._ask(act, self.keys.till, "/v1/purchases", body, "rung", upset))

    async def _pay(self, act: Act, code: str, step: str = "", amount: int | None = None) -> Reply:
        body = {"payer": self.customers[act.person].wallet, "code": code, "check": act.check}
        if amount is not None:
            body["amount"] = _money(amount)  # type: ignore[assignment]
        upset = "" if act.upset.startswith("number") or step else act.upset
        return await self._ask(act, self.keys.app, "/v1/payments", body, step, upset)

    async def _dynamic(self, act: Act) -> None:
        """The shop shows a code for this very purchase; the customer looks at the price and pays."""
        purchase = await self._rung_up(act)
        if act.n % 4 == 0:
            seen = await self.wire.ask("POST", "/v1/codes/read", self.keys.app, {"code": purchase["code"]})
            shown = self._good(act, seen)
            shop = self.town.shops[act.shop]
            if (shown["amount"]["amount"], shown["fee"]["amount"]) != (act.amount, shop.fee(act.amount)):
                self.model.fault(f"act {act.n}: the price shown is {shown}, not the one rung up")
        reply = await self._pay(act, purchase["code"])
        if self._answered(act, reply):
            self._took(act, reply)

    async def _stand(self, act: Act) -> None:
        """The customer scans the stand on the counter and enters the amount."""
        reply = await self._pay(act, self.counters[act.shop].stand, amount=act.amount)
        if self._answered(act, reply):
            self._took(act, reply)

    async def _stand_fixed(self, act: Act) -> None:
        """The stand has its amount printed on it."""
        reply = await self._pay(act, self.counters[act.shop].stand_fixed)
        if self._answered(act, reply):
            self._took(act, reply)

    # Holds ----------------------------------------------------------------------------------------

    async def _hold(self, act: Act, seconds: int | None = None) -> None:
        more = {"capture": "later"} | ({} if seconds is None else {"hold_seconds": seconds})
        purchase = await self._rung_up(act, **more)
        reply = await self._pay(act, purchase["code"])
        if self._answered(act, reply):
            payment = reply.body["payment"]
            self._payments[act.n] = payment["id"]
            shop = self.town.shops[act.shop]
            payer, payee = ("person", act.person), ("shop", act.shop)
            self.model.hold(payment["id"], act.n, payer, payee, act.amount, shop)

    async def _hold_lapsing(self, act: Act) -> None:
        """Two hours; nobody comes back for it."""
        await self._hold(act, 7_200)
        self._lapsing.append(act.n)

    async def _end(
        self, act: Act, verb: str, body: dict[str, Any], step: str = "", upset: str | None = None
    ) -> Reply:
        path = f"/v1/payments/{self._payments[act.other]}/{verb}"
        return await self._ask(act, self.keys.till, path, body, step, upset)

    async def _capture(self, act: Act) -> None:
        reply = await self._end(act, "capture", {"amount": act.amount})
        if self._answered(act, reply):
            self._check(act, reply.body, act.amount)
            self.model.capture(reply.body["id"], act.amount)

    async def _capture_parts(self, act: Act) -> None:
        """Bit by bit: a third, another third, and the rest of what is taken."""
        id, taken = self._payments[act.other], 0
        third = max(1, act.amount // 3)
        for n, amount in enumerate((third, third, act.amount - 2 * third)):
            if amount <= 0:
                continue
            final = n == 2
            body = {"amount": amount, "final": final}
            reply = await self._end(act, "capture", body, f"part{n}", None if n == 1 else "")
            self._good(act, reply)
            taken += amount
            self._check(act, reply.body, taken)
            self.model.capture(id, amount, final=final)

    async def _capture_part(self, act: Act) -> None:
        """Part of it; the rest is left to lapse."""
        reply = await self._end(act, "capture", {"amount": act.amount, "final": False})
        if self._answered(act, reply):
            self.model.capture(reply.body["id"], act.amount, final=False)

    async def _cancel(self, act: Act) -> None:
        reply = await self._end(act, "cancel", {})
        if self._answered(act, reply):
            self.model.release(reply.body["id"])

    async def lapsed(self) -> None:
        """Wait for the holds nobody came back for: the platform's own timer ends them."""
        for n in self._lapsing:
            id = self._payments.get(n)
            if id is None:
                continue
            for _ in range(100):
                payment = (await self.wire.ask("GET", f"/v1/payments/{id}", self.keys.till)).body
                if payment["state"] != "authorised":
                    break
                await asyncio.sleep(0.1)
            else:
                self.model.fault(f"{id}: its time is up and it is still held")
            self.model.release(id)

    # Refunds --------------------------------------------------------------------------------------

    async def _refund(self, act: Act) -> None:
        """Some of it, or more than there is."""
        await self._give_back(act, {"amount": act.amount})

    async def _refund_rest(self, act: Act) -> None:
        """All that is left."""
        await self._give_back(act, {})

    async def _give_back(self, act: Act, body: dict[str, Any]) -> None:
        of = self._payments[act.other]
        reply = await self._end(act, "refunds", body | {"refund_no": f"R{act.n}", "reason": "退货"})
        if self._answered(act, reply):
            if reply.body["amount"]["amount"] != act.amount or reply.body["payment"] != of:
                self.model.fault(f"act {act.n}: {reply.body['id']} gives back {reply.body['amount']}")
            self.model.refund(reply.body["id"], of, act.amount)

    # People among themselves ----------------------------------------------------------------------

    async def _deposit(self, act: Act) -> None:
        """The custody bank says that money has come in."""
        body = {
            "wallet": self.customers[act.person].wallet,
            "amount": _money(act.amount),
            "reference": f"CB{self.plan.seed}-{act.n}",
        }
        reply = await self._ask(act, self.keys.house, "/v1/deposits", body)
        if self._answered(act, reply):
            purse: Purse = ("person", act.person)
            self.model.pay(reply.body["id"], act.n, "deposit", CUSTODY, purse, act.amount)

    async def _transfer(self, act: Act, phone: str | None = None) -> None:
        payee = await self._found(act, phone or self.town.people[act.other].phone)
        reply = await self._send(act, payee)
        if self._answered(act, reply):
            payer, other = ("person", act.person), ("person", act.other)
            self.model.pay(reply.body["id"], act.n, "transfer", payer, other, act.amount)

    async def _found(self, act: Act, phone: str) -> str:
        body = {"payer": self.customers[act.person].wallet, "phone": phone}
        found = await self.wire.ask("POST", "/v1/payees", self.keys.app, body)
        return str(self._good(act, found)["id"])

    async def _send(self, act: Act, payee: str) -> Reply:
        wallet = self.customers[act.person].wallet
        body = {"payer": wallet, "payee": payee, "amount": _money(act.amount), "note": "晚饭"}
        return await self._ask(act, self.keys.app, "/v1/transfers", body)

    # What goes wrong ------------------------------------------------------------------------------

    async def _freeze(self, act: Act) -> None:
        """She lost her phone and calls the institution."""
        await self._must(f"/v1/wallets/{self.customers[act.person].wallet}/freeze", {})

    async def _cancel_stand(self, act: Act) -> None:
        await self._must(f"/v1/codes/{self.counters[act.shop].stand_id}/cancel", {})

    async def _close_store(self, act: Act) -> None:
        await self._must(f"/v1/stores/{self.counters[act.shop].store}/close", {})

    async def _guess(self, act: Act) -> None:
        """Five wrong numbers with a known alias; then even the true code is refused for a while."""
        true = self.customers[act.person]
        for n in range(6):
            code = true.code(self.now)
            body = self._purchase(act, payment_code=_wrong(code) if n < 5 else code)
            body["merchant_order_no"] += f"-{n}"
            reply = await self._ask(act, self.keys.till, "/v1/purchases", body, str(n))
            expected = "code_wrong" if n < 5 else "device_locked"
            if reply.code != expected:
                self.model.fault(f"act {act.n}: {reply.status} {reply.code}, expected {expected}")
            else:
                self.model.refuse(expected)

    async def _wrong_code(self, act: Act) -> None:
        code = _wrong(self.customers[act.person].code(self.now))
        body = self._purchase(act, payment_code=code)
        self._answered(act, await self._ask(act, self.keys.till, "/v1/purchases", body))

    async def _old_code(self, act: Act) -> None:
        """The picture of a code, five minutes later."""
        device = self.customers[act.person]
        old = payment_code.make(device.secret, device.alias, self.now - timedelta(minutes=5), 0)
        body = self._purchase(act, payment_code=old)
        self._answered(act, await self._ask(act, self.keys.till, "/v1/purchases", body))

    async def _used_code(self, act: Act) -> None:
        """One code, two purchases."""
        code = self.customers[act.person].code(self.now)
        body = self._purchase(act, payment_code=code)
        reply = await self._ask(act, self.keys.till, "/v1/purchases", body, "first")
        self._good(act, reply)
        self._took(act, reply)
        body["merchant_order_no"] += "-2"
        self._answered(act, await self._ask(act, self.keys.till, "/v1/purchases", body, "second"))

    async def _closed_purchase(self, act: Act) -> None:
        purchase = await self._rung_up(act)
        path = f"/v1/purchases/{purchase['id']}/close"
        self._good(act, await self.wire.ask("POST", path, self.keys.till, {}))
        self._answered(act, await self._pay(act, purchase["code"]))

    async def _ring_up(self, act: Act) -> None:
        purchase = await self._rung_up(act)
        self._purchases[act.n] = (purchase["id"], purchase["code"])

    async def _pay_late(self, act: Act) -> None:
        self._answered(act, await self._pay(act, self._purchases[act.other][1]))

    async def _paid_purchase(self, act: Act) -> None:
        """Two at one till: the second hears that it is paid."""
        purchase = await self._rung_up(act)
        reply = await self._pay(act, purchase["code"], "first")
        self._good(act, reply)
        self._took(act, reply)
        self._answered(act, await self._pay(act, purchase["code"], "second"))

    async def _altered_code(self, act: Act) -> None:
        """Somebody pasted another amount over the true one."""
        code = (await self._rung_up(act))["code"]
        true, false = _amount_tag(act.amount), _amount_tag(act.amount + 100)
        altered = code[:-4].replace(true, false, 1)
        self._answered(act, await self._pay(act, altered + emv_merchant.crc(altered)))

    async def _unknown_code(self, act: Act) -> None:
        code = self.counters[act.shop].stand
        token = emv_merchant.read(code).account("org.feiqian")
        assert token is not None
        old = str(token.value("01"))
        altered = code[:-4].replace(old, "s" + old[:0:-1], 1)
        reply = await self._pay(act, altered + emv_merchant.crc(altered), amount=act.amount)
        self._answered(act, reply)

    async def _unknown_payee(self, act: Act) -> None:
        body = {"payer": self.customers[act.person].wallet, "phone": f"+861991{act.n:07d}"}
        self._answered(act, await self.wire.ask("POST", "/v1/payees", self.keys.app, body))

    async def _own_phone(self, act: Act) -> None:
        await self._transfer(act, self.town.people[act.person].phone)

    async def _look_up(self, act: Act) -> None:
        self._payees[act.n] = await self._found(act, self.town.people[act.other].phone)

    async def _send_late(self, act: Act) -> None:
        """The name was shown an hour ago."""
        self._answered(act, await self._send(act, self._payees[act.other]))

    async def _number_reused(self, act: Act) -> None:
        purchase = await self._rung_up(act)
        reply = await self._pay(act, purchase["code"], "first")
        self._good(act, reply)
        self._took(act, reply)
        body = self._purchase(act, amount=_money(act.amount + 1))
        self._answered(act, await self._ask(act, self.keys.till, "/v1/purchases", body, "again"))

    async def _key_reused(self, act: Act) -> None:
        purchase = await self._rung_up(act)
        reply = await self._pay(act, purchase["code"], "first")
        self._good(act, reply)
        self._took(act, reply)
        body = {"payer": self.customers[act.person].wallet, "code": purchase["code"], "check": "single"}
        self._answered(act, await self._ask(act, self.keys.app, "/v1/payments", body, "first"))

    async def _no_amount(self, act: Act) -> None:
        self._answered(act, await self._pay(act, self.counters[act.shop].stand))

    async def _other_amount(self, act: Act) -> None:
        code = self.counters[act.shop].stand_fixed
        amount = stand_price(self.town.shops[act.shop]) + 1
        self._answered(act, await self._pay(act, code, amount=amount))

    async def _unknown_store(self, act: Act) -> None:
        body = self._purchase(act, store="sto_" + f"{act.n:032x}")
        self._answered(act, await self._ask(act, self.keys.till, "/v1/purchases", body))

    # When the day is over -------------------------------------------------------------------------

    async def balances(self) -> dict[Purse, int]:
        """What the API says is in everybody's wallet."""
        balances = await self._all(self._balance, self.customers)
        return {("person", n): balance for n, balance in enumerate(balances)}

    async def _balance(self, customer: _Customer) -> int:
        wallet = await self._must(f"/v1/wallets/{customer.wallet}", None, "GET")
        return int(wallet["balance"]["posted"]["amount"])


def _money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": CURRENCY}


def _wrong(code: str) -> str:
    """The same alias with another number."""
    return code[:-1] + str((int(code[-1]) + 5) % 10)


def _amount_tag(amount: int) -> str:
    text = emv_merchant.to_text(amount, 2)
    return f"54{len(text):02d}{text}"


def _result(reply: Reply) -> tuple[int, str]:
    """What a request came to, whatever else stands in its answer."""
    if not reply.is_ok:
        return reply.status, reply.code
    payment = reply.body.get("payment")
    return reply.status, payment["id"] if payment else reply.body["id"]
