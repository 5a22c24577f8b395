"""Queries: named statements kept in `queries.sql` beside the module that uses them.

`queries = load(Path(__file__).parent)`, then `await queries.find_account(connection, id=id)`. The
suffix of a name says what comes back: none for a list of records, `^` one record or None, `$` one
value, `!` the command's tag, `*!` for many sets of parameters at once.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter


@cache
def load(folder: Path) -> Any:
    """The statements of the folder's queries.sql as functions of a connection and named values."""
    return aiosql.from_path(folder / "queries.sql", cast(Any, _Driver), mandatory_parameters=False)


class _Driver:
    """aiosql's naming and parameters, with nothing between the caller and the driver.

    aiosql's own driver looks for a pool inside every connection and hands rows on one by one
    through two generators. Declared synchronous, it passes on what we return: the driver's coroutine.
    """

    is_aio_driver = False

    def __init__(self) -> None:
        self._numbered = cast(Any, AsyncPGAdapter)()

    def process_sql(self, name: str, operation: Any, sql: str) -> str:
        """The statement with $1, $2 for :names, as the driver wants them."""
        numbered = str(self._numbered.process_sql(name, operation, sql))
        _NAMES[numbered] = self._numbered.var_sorted[name]
        return numbered

    def _order(self, name: str, values: dict[str, Any]) -> list[Any]:
        return [values[each] for each in self._numbered.var_sorted[name]]

    def select(self, connection: Any, name: str, sql: str, values: Any, record_class: Any = None) -> Any:
        return connection.fetch(sql, *self._order(name, values))

    def select_one(self, connection: Any, name: str, sql: str, values: Any, record_class: Any = None) -> Any:
        return connection.fetchrow(sql, *self._order(name, values))

    def select_value(self, connection: Any, name: str, sql: str, values: Any) -> Any:
        return connection.fetchval(sql, *self._order(name, values))

    insert_returning = select_one

    def insert_update_delete(self, connection: Any, name: str, sql: str, values: Any) -> Any:
        return connection.execute(sql, *self._order(name, values))

    def insert_update_delete_many(self, connection: Any, name: str, sql: str, values: Any) -> Any:
        return connection.executemany(sql, [self._order(name, one) for one in values])

    def execute_script(self, connection: Any, sql: str) -> Any:
        return connection.execute(sql)


Writing = tuple[Any, dict[str, Any]]
"""A loaded statement that writes, and the values it takes."""

_PLACE = re.compile(r"\$(\d+)")
_NAMES: dict[str, list[str]] = {}  # statement -> its names, in the order of its numbers


async def together(connection: Any, *writings: Writing) -> None:
    """Run statements that write in one round trip, as parts of one statement.

    None sees what another writes; constraints hold when all are done. Only plain inserts, updates and
    deletes: what begins with `with` cannot be a part.
    """
    if writings:
        sql = _joined(tuple(query.sql for query, _ in writings))
        values = [values[name] for query, values in writings for name in _NAMES[query.sql]]
        await connection.execute(sql, *values)


@cache
def _joined(statements: tuple[str, ...]) -> str:
    parts, before = [], 0
    for n, sql in enumerate(statements):
        moved = _PLACE.sub(lambda found, by=before: f"${int(found[1]) + by}", sql)  # type: ignore[misc]
        parts.append(f"part_{n} as (\n{moved.strip().rstrip(';')}\n)")
        before += len(_NAMES[sql])
    return "with " + ", ".join(parts) + " select"
