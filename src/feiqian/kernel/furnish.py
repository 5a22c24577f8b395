"""Furnish: give a running cluster the application's role and database.

The application is an ordinary role that owns its database: it makes schemas and tables there, and it
is no superuser. So what a migration revokes from it stays revoked, such as changing the ledger's
history. As the owner it could grant that back to itself, which is why a trigger stands beside the
revoke; a superuser passes both, and then the hash chain finds the change (ledger/verify.py).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from feiqian.kernel.cluster import SUPERUSER, Cluster

APPLICATION = "feiqian_app"
DATABASE = "feiqian"

_REFUSED = (
    asyncpg.InvalidPasswordError,  # also the answer for a role that does not exist
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)

# What a superuser made for the application, in folders older than its role.
_HAND_OVER = f"""
do $$
declare
    each text;
begin
    for each in
        select format('alter schema %I owner to {APPLICATION}', nspname) from pg_namespace
         where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
           and pg_get_userbyid(nspowner) = '{SUPERUSER}'
        union all
        select format('alter table %s owner to {APPLICATION}', c.oid::regclass)
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm') and nspname !~ '^pg_' and nspname <> 'information_schema'
           and pg_get_userbyid(c.relowner) = '{SUPERUSER}'
        union all
        select format('alter routine %s owner to {APPLICATION}', p.oid::regprocedure)
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where nspname !~ '^pg_' and nspname <> 'information_schema'
           and pg_get_userbyid(p.proowner) = '{SUPERUSER}'
    loop
        execute each;
    end loop;
end $$"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class Reach:
    """How to get to a server: its socket's folder and its port."""

    sockets: str
    port: int

    def dsn(self, role: str, password: str, *, tcp: bool = False) -> str:
        """The address for a role."""
        if tcp:
            return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{DATABASE}"
        where = f"host={quote(self.sockets, safe='')}&port={self.port}"
        return f"postgresql://{role}:{password}@/{DATABASE}?{where}"

    async def connect(self, role: str, password: str, database: str = DATABASE) -> Any:
        """A connection."""
        return await asyncpg.connect(
            host=self.sockets, port=self.port, user=role, password=password, database=database, timeout=5
        )


async def furnish(cluster: Cluster, reach: Reach) -> bool:
    """Whether the server there is this cluster's; if so, the application can enter its database.

    Raises: what the driver raises when the server does not answer.
    """
    admin = await reach.connect(SUPERUSER, cluster.known()["password"], "postgres")
    try:
        where = await admin.fetchval("show data_directory")
        if Path(where).resolve() != cluster.data:  # noqa: ASYNC240 - local and quick
            return False
        if not await _enters(cluster, reach):
            await admin.execute("select pg_advisory_lock(1)")  # other starters wait here
            if not await _enters(cluster, reach):
                await _make(cluster, reach, admin)
    finally:
        await admin.close(timeout=5)
    return True


async def _enters(cluster: Cluster, reach: Reach) -> bool:
    password = cluster.known().get("application_password")
    if password is None:
        return False
    try:
        connection = await reach.connect(APPLICATION, password)
    except _REFUSED:
        return False
    except asyncpg.TooManyConnectionsError:
        return True  # whoever holds all the connections has entered
    await connection.close(timeout=5)
    return True


async def _make(cluster: Cluster, reach: Reach, admin: Any) -> None:
    """Each step may have been done before; that the role can log in comes last and says all is done."""
    if not await admin.fetchval("select true from pg_roles where rolname = $1", APPLICATION):
        await admin.execute(f"create role {APPLICATION} nologin")
    if not await admin.fetchval("select true from pg_database where datname = $1", DATABASE):
        await admin.execute(f"create database {DATABASE} owner {APPLICATION}")
    inside = await reach.connect(SUPERUSER, cluster.known()["password"])
    try:
        async with inside.transaction():
            await inside.execute(_HAND_OVER)
            await inside.execute(f"alter database {DATABASE} owner to {APPLICATION}")
    finally:
        await inside.close(timeout=5)
    known = cluster.known()
    if "application_password" not in known:
        known = cluster.remember(application_password=secrets.token_urlsafe(32))
    await admin.execute("set log_min_error_statement = panic")  # a password must not come into the log
    await admin.execute(
        f"alter role {APPLICATION} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
        f" password '{known['application_password']}'"
    )
