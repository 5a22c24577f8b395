"""A door to knock on: the whole application over one sandbox book, asked without a network."""

from __future__ import annotations

import re
from typing import Any

import httpx

from feiqian.access import SCOPES, create
from feiqian.kernel.database import Database
from feiqian.kernel.ids import read
from feiqian.kernel.secret import new_keys
from feiqian.web.app import ROUTES, create_app
from feiqian.web.description import describe
from feiqian.web.house import House
from tests.books import Town


def _described() -> list[tuple[re.Pattern[str], Any]]:
    """Paths as patterns, those without an id first."""
    paths = describe(ROUTES)["paths"]
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), paths[path])
        for path in sorted(paths, key=lambda path: path.count("{"))
    ]


HUNDRED = {"amount": 10_000, "currency": "CNY"}


class Door:
    """The application, its book, and a client that shows the operator's key unless told another."""

    def __init__(self, dsn: str, database: Database) -> None:
        self.town = Town(dsn, database)
        self.town.book.sealing = new_keys()
        self.house = House([self.town.book])
        self.app = create_app(self.house, access_log=False)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),  # type: ignore[arg-type]
            base_url="http://feiqian",
            event_hooks={"response": [self._is_described]},
        )
        self._described = _described()
        self.operator = ""
        self._numbers = 0

    async def open(self) -> None:
        await self.house.open()
        self.operator = await self.key(*SCOPES)

    async def close(self) -> None:
        await self.client.aclose()
        await self.house.close()

    async def key(self, *scopes: str, merchant: str | None = None) -> str:
        """The secret of a new key."""
        owner = None if merchant is None else read("mch", merchant)
        _, secret = await self.town.write(create, "test", scopes, owner)
        return secret

    async def _is_described(self, answer: httpx.Response) -> None:
        """Every answer in every test must stand in the description, a problem with its code."""
        operation = self._operation(answer.request.method, answer.request.url.path)
        if operation is None or answer.status_code in (405, 500):
            return  # no such route; what broke on purpose
        await answer.aread()
        told = operation["responses"].get(str(answer.status_code))
        where = (answer.request.method, answer.request.url.path, answer.status_code, answer.text[:300])
        if "requestBody" not in operation and answer.status_code in (400, 413, 415):
            return  # a body where none belongs
        assert told, where
        if answer.status_code >= 400:
            examples = told["content"]["application/problem+json"]["examples"]
            assert answer.json()["code"] in examples, where

    def _operation(self, method: str, path: str) -> Any:
        found = [item for pattern, item in self._described if pattern.fullmatch(path)]
        return found[0].get(method.lower()) if found else None

    def number(self) -> str:
        """A number nobody has used."""
        self._numbers += 1
        return f"n-{self._numbers}"

    async def ask(
        self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """One request. key: a secret; the operator's when not given, none when empty."""
        secret = self.operator if key is None else key
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret:
            shown["authorization"] = f"Bearer {secret}"
        if method == "POST" and "idempotency-key" not in {name.lower() for name in shown}:
            shown["idempotency-key"] = self.number()
        return await self.client.request(method, path, json=body, headers=shown)

    async def get(self, path: str, key: str | None = None, **headers: str) -> Any:
        """What is there, as JSON. Anything but 200 is a failure."""
        answer = await self.ask("GET", path, None, key, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Any:
        """What came of it, as JSON. Anything but 200 and 201 is a failure."""
        answer = await self.ask("POST", path, body, key, **headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def customer(self, funds: int = 0, **more: Any) -> Any:
        """A person, perhaps with money."""
        made = await self.post("/v1/customers", {"name": "李小明", **more})
        if funds:
            await self.deposit(made["wallets"][0]["id"], funds)
        return made

    async def deposit(self, wallet: str, amount: int) -> Any:
        body = {"wallet": wallet, "amount": {"amount": amount, "currency": "CNY"}, "reference": self.number()}
        return await self.post("/v1/deposits", body)

    async def card(self, customer: str, number: str = "6222021234567890128") -> Any:
        """A card of theirs."""
        body = {"customer": customer, "number": number, "expiry_month": 9, "expiry_year": 2030}
        return await self.post("/v1/cards", body)

    async def merchant(self, **more: Any) -> Any:
        """A merchant at 38 basis points."""
        body = {"name": "豆花店", "mcc": "5812", "city": "成都", "terms": {"rate_bps": 38}, **more}
        return await self.post("/v1/merchants", body)

    async def store(self, merchant: str) -> Any:
        return await self.post("/v1/stores", {"merchant": merchant, "name": "一号店"})

    async def purchase(self, store: str, amount: int = 10_000, **more: Any) -> Any:
        money = {"amount": amount, "currency": "CNY"}
        body = {"store": store, "merchant_order_no": self.number(), "amount": money, **more}
        return await self.post("/v1/purchases", body)
