"""The oracle: after any run, do the books say what was answered, no more and no less? I1 to I5."""

from __future__ import annotations

from typing import Any

import asyncpg

from feiqian.kernel.database import prepare
from feiqian.kernel.ids import read, show
from feiqian.ledger import balances, verify
from tests.crash.history import History


async def check(history: History) -> None:
    """Compare the database with the model and with every answer, in one snapshot."""
    quarter = history.quarter
    connection = await asyncpg.connect(
        quarter.service.postgres.admin_dsn, server_settings={"search_path": quarter.schema}
    )
    try:
        await prepare(connection)
        async with connection.transaction(isolation="repeatable_read"):
            proof = await verify(connection)  # I1, I2, I3, I7
            assert proof.ok, proof.faults
            await check_answers(connection, history)
            await check_payments(connection, history)
            await check_balances(connection, history)
    finally:
        await connection.close()


async def check_answers(connection: Any, history: History) -> None:
    """I5: every answered request is kept exactly once, with exactly what was answered."""
    rows = await connection.fetch("select key, status, body from request")
    kept = {row["key"]: (row["status"], bytes(row["body"])) for row in rows}
    assert len(kept) == len(rows)
    answered = {asked.key: asked.answer for asked in history.asked if asked.key is not None}
    assert set(kept) == set(answered)
    for key, answer in answered.items():
        assert kept[key] == (answer.status, answer.raw), key


async def check_payments(connection: Any, history: History) -> None:
    """I4, I5: every payment that was answered, as it was answered, and not one more; every event once."""
    model = history.model
    rows = await connection.fetch(
        "select id, kind, payer, payee, state, amount, held, captured, refunded, subject, refs from payment"
    )
    found = {}
    for row in rows:
        if row["kind"] == "deposit" and row["refs"]["reference"].startswith("opening "):
            continue
        payer, payee = show("wal", row["payer"]), show("wal", row["payee"])
        id = show("pay", row["id"]).partition("_")[2]
        if row["state"] == "refused":
            assert id in model.refused
            assert (row["held"], row["captured"]) == (0, 0)
            continue
        found[id] = (row["kind"], payer, payee, row["state"], *list(row)[5:9])
    assert found == {id: expected.row for id, expected in model.payments.items()}
    standing = [(row["kind"], row["subject"]) for row in rows if row["state"] != "refused"]
    assert len(standing) == len(set(standing)), "one subject was paid twice"
    rows = await connection.fetch("select merchant_order_no, payment from purchase where state = 'paid'")
    paid = {row["merchant_order_no"]: show("pay", row["payment"]).partition("_")[2] for row in rows}
    assert paid == model.paid
    ids = [read("pay", f"pay_{id}", "id") for id in model.payments]
    rows = await connection.fetch(
        "select subject, type, count(*) as n from event where subject = any($1) and type in"
        " ('payment.authorised', 'payment.captured', 'payment.cancelled', 'refund.succeeded') group by 1, 2",
        ids,
    )
    told = {(show("pay", row["subject"]).partition("_")[2], row["type"]): row["n"] for row in rows}
    assert told == dict(model.events)


async def check_balances(connection: Any, history: History) -> None:
    """I2: every wallet holds what plain arithmetic over the answers says."""
    quarter, model = history.quarter, history.model
    rows = await connection.fetch("select id, account_key from wallet")
    keys = {show("wal", row["id"]): row["account_key"] for row in rows}
    now = await connection.fetchval("select now()")
    now_held = await balances(connection, list(keys.values()), now)
    total = 0
    for wallet, key in keys.items():
        balance = now_held[key]
        sign = -1 if wallet == quarter.custody else 1  # what the bank keeps for us is an asset
        opening = quarter.opening(wallet)
        assert balance.posted == opening + sign * model.posted[wallet], wallet
        held = model.held[wallet]
        assert balance.held == held, wallet
        total += sign * balance.posted
    assert total == 0
