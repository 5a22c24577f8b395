"""`feiqian audit verify`, and who the log says gave a command."""

from __future__ import annotations

import getpass
import json
from typing import Any

import asyncpg

from feiqian.cli import FAILED, NOT_FOUND, OK
from feiqian.kernel.postgres import Postgres
from tests.conftest import SMALL, in_thread
from tests.test_cli import call, data

__all__ = ["call", "data"]


def rows(data: Any, *statements: str) -> list[Any]:
    """Of the last statement, by somebody with all rights."""

    async def ask() -> list[Any]:
        server = Postgres(data / "postgres", SMALL)
        await server.start()  # it runs already; this finds it
        connection = await asyncpg.connect(server.admin_dsn, server_settings={"search_path": "book_town"})
        try:
            await connection.execute("set session_replication_role = replica")
            for statement in statements:
                found = await connection.fetch(statement)
            return list(found)
        finally:
            await connection.close()

    return list(in_thread(ask()))


def test_the_proof_on_the_command_line(call: Any, data: Any) -> None:
    assert call("book", "create", "town").exit_code == OK
    made = json.loads(call("key", "create", "town", "--name", "till", "--json").stdout)
    assert call("key", "revoke", "town", made["id"]).exit_code == OK
    told = rows(data, "select verb, actor, peer, objects from audit_entry order by seq")
    by = f"cli:{getpass.getuser()}"
    assert [tuple(row) for row in told] == [
        ("key.created", by, None, [made["id"]]),
        ("key.revoked", by, None, [made["id"]]),
    ]
    sound = call("audit", "verify", "--book", "town")
    assert sound.exit_code == OK
    assert sound.stdout.startswith("yes town: chain of 2 entries")
    line = json.loads(call("audit", "verify", "--json").stdout)
    assert (line["book"], line["ok"], line["entries"], line["faults"]) == ("town", True, 2, [])
    assert line["head"] in sound.stdout

    rows(data, "update audit_entry set actor = 'cli:mallory' where seq = 1")
    touched = call("audit", "verify", "--book", "town")
    assert touched.exit_code == FAILED
    assert "entry 1 was changed" in touched.stdout
    line = json.loads(call("audit", "verify", "--json").stdout)
    assert (line["ok"], len(line["faults"])) == (False, 1)
    assert call("audit", "verify", "--book", "nowhere").exit_code == NOT_FOUND
