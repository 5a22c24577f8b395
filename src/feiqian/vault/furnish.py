"""Furnish: give a cluster the vault's role, which makes schemas of its own that no other role may read."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

import asyncpg

ROLE = "feiqian_vault"
_LOGIN = re.compile(r"(?<=://)[^@/]*@")
_REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)


def as_role(dsn: str, password: str, role: str = ROLE) -> str:
    """The same database, entered as another role."""
    return _LOGIN.sub(f"{quote(role, safe='')}:{quote(password, safe='')}@", dsn, count=1)


def role_of(dsn: str) -> str:
    """Who an address enters as; empty when it does not say."""
    return unquote(urlsplit(dsn).username or "")


async def furnish(admin_dsn: str, password: str) -> str:
    """The address of the vault's role, which can log in afterwards. admin_dsn: a superuser's.

    password: ours, of letters, digits, `-` and `_`; the caller keeps it.
    """
    if not re.fullmatch(r"[\w-]{16,}", password, re.ASCII):
        raise ValueError("not a password of ours")
    dsn = as_role(admin_dsn, password)
    if not await _enters(dsn):
        admin = await asyncpg.connect(admin_dsn, timeout=10)
        try:
            await admin.execute("select pg_advisory_lock(hashtextextended('feiqian vault role', 0))")
            if not await _enters(dsn):
                await _make(admin, password)
        finally:
            await admin.close(timeout=5)
    return dsn


async def _enters(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except _REFUSED:
        return False
    try:
        return bool(await connection.fetchval("select has_database_privilege(current_database(), 'create')"))
    finally:
        await connection.close(timeout=5)


async def _make(admin: asyncpg.Connection, password: str) -> None:
    """Each step may have been done before."""
    if not await admin.fetchval("select true from pg_roles where rolname = $1", ROLE):
        await admin.execute(f"create role {ROLE} nologin")
    name = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"grant connect, create on database {name} to {ROLE}")
    await admin.execute("set log_min_error_statement = panic")  # a password must not come into the log
    await admin.execute(
        f"alter role {ROLE} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls noinherit"
        f" password '{password}'"
    )
