"""D1, D2: a real server is sent cards, codes and PINs, where they belong and where they do not; then every
byte it left is searched: database files, both logs, all tables in words. Also the vault's commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from feiqian.kernel.postgres import Postgres
from tests.vaults import check_digit, made_up

pytestmark = pytest.mark.anyio

NUMBERS = [made_up(prefix, length) for prefix, length in (("622202", 19), ("621700", 19), ("411111", 16))]
CODE, PIN, TRACK = "CANARY-CVV-737", "CANARY-PIN-8642", "CANARY-TRACK-B0"
HOLDER = "CANARY HOLDER LI"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FEIQIAN_")} | {
    "FEIQIAN_LOG_LEVEL": "debug"
}


def feiqian(folder: Path, *arguments: str) -> str:
    """What a command says; it must end well."""
    command = [sys.executable, "-m", "feiqian", "--data-dir", str(folder / "data"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    leaks(done.stdout.encode() + done.stderr.encode(), " ".join(arguments))
    return done.stdout


def faces(number: str) -> Iterator[bytes]:
    """How a number may lie in a file: plain, in groups, in UTF-16, packed two digits to a byte."""
    yield number.encode()
    for gap in (" ", "-"):
        yield gap.join(number[at : at + 4] for at in range(0, len(number), 4)).encode()
    yield number.encode("utf-16-le")
    yield bytes.fromhex(number + "f" * (len(number) % 2))


def found_in(data: bytes) -> list[str]:
    """Canaries in these bytes."""
    wanted = [(number, face) for number in NUMBERS for face in faces(number)]
    wanted += [(secret, secret.encode()) for secret in (CODE, PIN, TRACK, HOLDER)]
    return [name for name, face in wanted if face in data]


def leaks(data: bytes, where: str) -> None:
    assert not found_in(data), (where, found_in(data))


def luhn_numbers(text: str) -> list[str]:
    """Whatever looks like a card number of any scheme, canary or not."""
    runs = re.findall(r"(?<![0-9A-Za-z._:+-])(?:\d[ -]?){12,18}\d(?![0-9A-Za-z._:+-])", text)
    plain = [re.sub(r"\D", "", run) for run in runs]
    return [run for run in plain if run[0] in "3456" and check_digit(run[:-1]) == run[-1]]


async def send_all(client: httpx.AsyncClient) -> list[str]:
    """Every way a card may come in. -> ids of cards bound."""
    owner = (await client.post("/v1/customers", json={"name": "李明", "phone": "13800138001"})).json()["id"]
    bound = []
    sound: dict[str, Any] = {"customer": owner, "expiry_month": 9, "expiry_year": 2035, "holder_name": HOLDER}
    for number in NUMBERS:
        answer = await client.post(
            "/v1/cards", json={**sound, "number": number}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 201, answer.text
        leaks(answer.content, "answer")
        bound.append(answer.json()["id"])
        bent = number[:-1] + str((int(number[-1]) + 1) % 10)
        grouped = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
        bodies: list[tuple[str, Any]] = [
            ("/v1/cards", {**sound, "number": number, "cvv": CODE}),
            ("/v1/cards", {**sound, "number": number, "pin": PIN}),
            ("/v1/cards", {**sound, "number": number, "track2": TRACK}),
            ("/v1/cards", {**sound, "number": bent}),
            ("/v1/cards", {**sound, "number": number, "expiry_year": 2020}),
            ("/v1/cards", {**sound, "number": number, "expiry_month": 13}),
            ("/v1/cards", {**sound, "number": int(number)}),
            ("/v1/cards", {**sound, "number": number, "customer": number}),
            ("/v1/cards", {**sound, "number": number, "holder_name": grouped}),
            ("/v1/cards", {**sound, "number": number, number: number}),
            ("/v1/cards", [number]),
            ("/v1/cards", number),
            ("/v1/customers", {"name": grouped}),
            ("/v1/customers", {"name": "a", "phone": number}),
            ("/v1/customers", {"name": "a", "currency": number}),
            ("/v1/customers", {"name": "a", "metadata": {"note": f"card {number} code"}}),
            ("/v1/customers", {"name": "a", "metadata": {"cvv": CODE}}),
            ("/v1/customers", {"name": "a", "metadata": {"PIN": PIN, "trackData": TRACK}}),
            ("/v1/customers", {"name": "a", "cvv": CODE, "pin": PIN}),
            ("/v1/merchants", {"name": grouped, "mcc": "5812"}),
            ("/v1/payees", {"payer": "wal_1", "phone": number}),
            ("/v1/transfers", {"payer": "a", "payee": "b", "note": number, "amount": {}}),
            ("/v1/keys", {"name": number, "scopes": ["cards:read"]}),
            (f"/v1/cards/{number}/tokens", {"count_max": 1}),
            (f"/v1/cards/{bound[-1]}/tokens", {"count_max": int(number)}),
            ("/v1/clock/advance", {"seconds": int(number)}),
        ]
        for at, (path, body) in enumerate(bodies):
            for key in (f"k-{at}-{bound[-1]}", number):
                answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
                assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text[:200])
                if number not in path:
                    leaks(answer.content, f"answer of {path}")
        for path in (f"/v1/cards/{number}", f"/v1/customers?starting_after={number}", f"/v1/{number}"):
            answer = await client.get(path)
            assert 400 <= answer.status_code < 500, (path, answer.text)
            leaks(answer.content, path)
        broken = f'{{"number": "{number}", "cvv": "{CODE}"'
        answer = await client.post("/v1/cards", content=broken, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        leaks(answer.content, "a broken body")
    return bound


async def in_words(admin_dsn: str) -> dict[str, bytes]:
    """All tables of all schemas as a dump writes them."""
    connection = await asyncpg.connect(admin_dsn)
    tables = await connection.fetch(
        "select schemaname, tablename from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    said = {}
    for schema, table in tables:
        pieces: list[bytes] = []

        async def keep(piece: bytes, pieces: list[bytes] = pieces) -> None:
            pieces.append(piece)

        await connection.copy_from_table(table, schema_name=schema, output=keep)
        said[f"{schema}.{table}"] = b"".join(pieces)
    await connection.execute("checkpoint")
    await connection.close()
    return said


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "postgresql-" not in path.parts[len(folder.parts)]:
            yield path, path.read_bytes()


@pytest.mark.slow
async def test_no_card_code_or_pin_at_rest(folder: Path) -> None:
    await asyncio.to_thread(feiqian, folder, "book", "create", "town")
    secret = (await asyncio.to_thread(feiqian, folder, "key", "create", "town", "--name", "test")).strip()
    server = Postgres(folder / "data" / "postgres")
    with (folder / "ours.log").open("wb") as log:
        command = [
            sys.executable,
            "-m",
            "feiqian",
            "--data-dir",
            str(folder / "data"),
            "serve",
            "--port",
            "0",
        ]
        process = subprocess.Popen(  # noqa: ASYNC220 - quick
            command, stdout=subprocess.PIPE, stderr=log, env=ENVIRONMENT
        )
        try:
            assert process.stdout is not None
            line = (await asyncio.to_thread(process.stdout.readline)).decode()
            address = re.search(r"http://\S+", line)
            assert address, line
            headers = {"Authorization": f"Bearer {secret}"}
            async with httpx.AsyncClient(base_url=address[0], headers=headers, timeout=30) as client:
                bound = await send_all(client)
                rotated = await asyncio.to_thread(feiqian, folder, "vault", "rotate-keys", "--retire")
                assert "1 data keys wrapped anew" in rotated
                again = {"number": made_up(), "expiry_month": 9, "expiry_year": 2035}
                person = (await client.get(f"/v1/cards/{bound[0]}")).json()["customer"]
                made = await client.post("/v1/cards", json={"customer": person, **again})
                assert made.status_code == 201  # with the new key, though the server runs on
            proof = json.loads(await asyncio.to_thread(feiqian, folder, "vault", "verify", "--json"))
            assert (proof["ok"], proof["exposed"], proof["readable"]) == (True, False, 4)
            await server.start()
            for table, words in (await in_words(server.admin_dsn)).items():
                leaks(words, table)
                assert not luhn_numbers(words.decode()), (table, luhn_numbers(words.decode()))
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 60)
            await server.stop(anyway=True)
    searched = 0
    for path, data in files(folder):
        leaks(data, str(path))
        searched += len(data)
    assert searched > 20_000_000
    for name in ("ours.log", "data/postgres/postgres.log"):
        text = (folder / name).read_text()
        assert text
        assert not luhn_numbers(text), name


async def test_the_search_would_find_one(cluster: Any) -> None:
    server = cluster()
    connection = await asyncpg.connect(await server.start())
    await connection.execute("create table note (text text, data jsonb)")
    await connection.execute("insert into note values ($1, null)", f"card {NUMBERS[0]}")
    await connection.execute("insert into note values (null, $1)", json.dumps({"cvv": CODE}))
    await connection.close()
    words = await in_words(server.admin_dsn)
    assert found_in(words["public.note"]) == [NUMBERS[0], CODE]
    assert luhn_numbers(words["public.note"].decode()) == [NUMBERS[0]]
    await server.stop()
    assert {each for _, data in files(server.folder) for each in found_in(data)} == {NUMBERS[0], CODE}
