"""The journeys in docs/journeys, run: request by request, answer by answer, movement by movement."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from feiqian import jobs
from feiqian.access import SCOPES, create
from feiqian.kernel.ids import read
from feiqian.kernel.money import Money
from feiqian.kernel.secret import new_keys
from feiqian.ledger import movement, verify
from feiqian.scenes.shop import payment_code
from feiqian.vault import Vault
from feiqian.web.app import create_app
from feiqian.web.house import House
from feiqian.wiring import WORK
from tests.books import Town, town
from tests.vaults import vault, vault_dsn

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[2] / "docs" / "journeys"
JOURNEYS = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")

_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"<([a-z_0-9]+)>")
_KINDS = {0: "", 1: " held", 2: " posted", 4: " voided", 16: " expired"}

__all__ = ["town", "vault", "vault_dsn"]


class Block(NamedTuple):
    """A fenced block: what it is, what stands beside the fence, what is in it, and where."""

    kind: str
    about: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found[1], found[2].strip(), found[3], line)


class Traveller:
    """Walks a journey, remembering what answers were called."""

    def __init__(self, town: Town, client: httpx.AsyncClient, secret: str) -> None:
        self.town = town
        self.client = client
        self.secret = secret
        self.known: dict[str, str] = {}
        self.answer: httpx.Response
        self.shown = 0

    async def walk(self, page: str) -> None:
        asked = False
        for block in blocks(page):
            where = f"{page}.md:{block.line}"
            if block.kind == "http":
                assert not asked, f"{where}: the request before has no answer"
                await self.ask(block.text)
                asked = True
            elif block.kind == "json":
                self.check_answer(block.text, where)
                asked = False
            elif block.kind == "movements":
                await self.check_movements(block, where)
            elif block.kind == "device":
                self.show_code(block.text)
            else:
                raise AssertionError(f"{where}: no such block: {block.kind}")

    def fill(self, text: str) -> str:
        return _NAME.sub(lambda found: self.known[found[1]], text)

    async def ask(self, text: str) -> None:
        head, _, body = self.fill(text).partition("\n\n")
        first, *lines = head.strip().splitlines()
        method, path = first.split()
        headers = {"Authorization": f"Bearer {self.secret}"} | dict(
            tuple(line.split(": ", 1)) for line in lines
        )
        if body.strip():
            headers["Content-Type"] = "application/json"
        self.answer = await self.client.request(method, path, headers=headers, content=body.strip().encode())
        if path == "/v1/clock/advance":
            while await jobs.drain(self.town.book, WORK):
                continue

    def check_answer(self, text: str, where: str) -> None:
        first, _, body = text.partition("\n")
        status, _, header = first.partition(" ")
        assert self.answer.status_code == int(status), f"{where}: {self.answer.text}"
        if header:
            name, _, value = header.partition(": ")
            assert self.answer.headers[name] == value, where
        self.match(json.loads(body), self.answer.json(), where)

    def match(self, expected: Any, actual: Any, where: str) -> None:
        if isinstance(expected, dict):
            assert isinstance(actual, dict), f"{where}: {actual}"
            for name, value in expected.items():
                assert name in actual, f"{where}: no {name} in {actual}"
                self.match(value, actual[name], f"{where} {name}")
        elif isinstance(expected, list):
            assert isinstance(actual, list), f"{where}: {actual}"
            assert len(actual) == len(expected), f"{where}: {actual}"
            for each, other in zip(expected, actual, strict=True):
                self.match(each, other, where)
        elif isinstance(expected, str) and (found := _NAME.fullmatch(expected)):
            assert actual == self.known.setdefault(found[1], actual), f"{where}: {found[1]} is another one"
        elif expected != "…":
            assert actual == expected, f"{where}: {actual!r} is not {expected!r}"

    async def check_movements(self, block: Block, where: str) -> None:
        prefix, id = self.known[block.about.strip("<>")].split("_")
        rows = await self.town.sql(
            "select d.id as debit, d.kind as debit_kind, c.id as credit, c.kind as credit_kind, t.amount,"
            " d.currency, t.code, t.flags from transfer t join wallet d on d.account_key = t.debit_key"
            " join wallet c on c.account_key = t.credit_key where t.payment = $1 order by t.seq",
            read(prefix, f"{prefix}_{id}"),
        )
        names = {value: name for name, value in self.known.items()}
        lines = [
            f"{names.get('wal_' + r['debit'].hex, r['debit_kind'])} >"
            f" {names.get('wal_' + r['credit'].hex, r['credit_kind'])}"
            f"  {Money(r['amount'], r['currency']).text()}"
            f"  {movement(r['code']).name}{_KINDS[r['flags'] & ~8]}"
            for r in rows
        ]
        assert lines == block.text.strip().splitlines(), where

    def show_code(self, text: str) -> None:
        name, device = re.fullmatch(r"<(\w+)> = code of (\w+)\n", text).groups()  # type: ignore[union-attr]
        secret = base64.urlsafe_b64decode(self.known[f"{device}_secret"] + "==")
        alias, at = self.known[f"{device}_alias"], self.town.book.clock.now()
        self.known[name] = payment_code.make(secret, alias, at, self.shown % 10)
        self.shown += 1


@pytest.fixture
async def traveller(town: Town, vault: Vault) -> AsyncIterator[Traveller]:
    town.book.sealing = new_keys()
    _, secret = await town.write(create, "journey", tuple(SCOPES))
    house = House([town.book], vaults={town.book.name: vault})
    await house.open()
    transport = httpx.ASGITransport(create_app(house, access_log=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://feiqian") as client:
        yield Traveller(town, client, secret)
    proof = await town.read(verify)
    assert proof.ok, proof.faults


@pytest.mark.parametrize("page", JOURNEYS)
async def test_journey(traveller: Traveller, page: str) -> None:
    """Each journey begins in the street."""
    await traveller.walk("street")
    if page != "street":
        await traveller.walk(page)


def test_every_journey_is_listed() -> None:
    listed = re.findall(r"\]\((\w[\w-]*)\.md\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == JOURNEYS
