"""The command line: start the server, look after books and keys, prove the books."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import time
from pathlib import Path
from typing import Any, TypeVar

import click

from feiqian import __version__

T = TypeVar("T")

OK, FAILED, USAGE, NOT_FOUND, REFUSED, TRY_AGAIN = range(6)
"""Exit codes."""


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on uvloop where there is one; an error of ours ends the command with its text and exit code."""
    from feiqian.kernel.errors import FeiqianError, NotFound, Refused, Unavailable

    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(work())
    except FeiqianError as error:
        click.echo(error.message("en"), err=True)
        codes = ((NotFound, NOT_FOUND), (Unavailable, TRY_AGAIN), (Refused, REFUSED))
        sys.exit(next((code for kind, code in codes if isinstance(error, kind)), FAILED))


def settings_of(context: click.Context) -> Any:
    """The settings, with the command's flags on top."""
    from feiqian.kernel.settings import load

    return load(config=context.obj["config"], flags=context.obj["flags"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--data-dir", help="Folder for our own database server and keys.")
@click.pass_context
def main(context: click.Context, config: Path | None, data_dir: str | None) -> None:
    """feiqian 飞钱: mobile payments and embedded finance."""
    context.obj = {"config": config, "flags": {"data_dir": data_dir} if data_dir else {}}


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None) -> None:
    """Serve the API of all books until Ctrl-C.

    Example: feiqian serve --port 8080
    """
    from feiqian import wiring
    from feiqian.kernel.logs import configure
    from feiqian.serve import serve_app

    flags = context.obj["flags"]
    flags |= {name: value for name, value in (("http.host", host), ("http.port", port)) if value is not None}
    settings = settings_of(context).settings
    configure(settings.log.level, settings.log.format)

    async def work() -> None:
        async with wiring.running(settings) as house:
            await house.registry.migrate()
            books = [await house.open_book(record.name) for record in await house.registry.books()]
            await serve_app(await house.serve(books), settings.http.host, settings.http.port)

    run(work)


@main.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the registry and every book up to date.

    Example: feiqian migrate
    """
    from feiqian import wiring

    async def work() -> dict[str, list[str]]:
        async with wiring.running(settings_of(context).settings) as house:
            return await house.registry.migrate()

    for schema, names in run(work).items():
        click.echo(f"{schema}: {', '.join(names) or 'up to date'}")


@main.group()
def book() -> None:
    """Books: each institution's own set of tables."""


@book.command("create")
@click.argument("name")
@click.option("--kind", type=click.Choice(["live", "sandbox"]), default="sandbox", show_default=True)
@click.option("--zone", default="Asia/Shanghai", show_default=True, help="Time zone of its days.")
@click.option("--cut-off", default="00:00", show_default=True, help="Local time its business day turns.")
@click.pass_context
def book_create(context: click.Context, name: str, kind: Any, zone: str, cut_off: str) -> None:
    """Create a book.

    Example: feiqian book create town --kind sandbox
    """
    from feiqian import wiring

    try:
        turn_at = time.fromisoformat(cut_off)
    except ValueError:
        raise click.BadParameter("a time like 23:00", param_hint="--cut-off") from None

    async def work() -> Any:
        async with wiring.running(settings_of(context).settings) as house:
            await house.registry.migrate()
            return await house.registry.create(name, kind, zone, turn_at)

    record = run(work)
    click.echo(f"{record.name}: {record.kind}, days of {record.zone}, schema {record.schema}")


@book.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line per book.")
@click.pass_context
def book_list(context: click.Context, as_json: bool) -> None:
    """List the books.

    Example: feiqian book list
    """
    from feiqian import wiring

    async def work() -> Any:
        async with wiring.running(settings_of(context).settings) as house:
            await house.registry.migrate()
            return await house.registry.books()

    for record in run(work):
        shown = {"name": record.name, "kind": record.kind, "zone": record.zone, "schema": record.schema}
        click.echo(json.dumps(shown) if as_json else "  ".join(shown.values()))


@main.group()
def key() -> None:
    """API keys: made, rotated and revoked; the secret is shown once."""


@key.command("create")
@click.argument("book")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scope", "scopes", multiple=True, help="Repeat for each; all when left out.")
@click.option("--merchant", help="Bind it to one merchant (mch_…).")
@click.pass_context
def key_create(
    context: click.Context, book: str, name: str, scopes: tuple[str, ...], merchant: str | None
) -> None:
    """Create an API key for a book.

    Example: feiqian key create town --name till --scope payments:write
    """
    from feiqian import wiring
    from feiqian.access import SCOPES, create
    from feiqian.kernel.ids import read, show

    async def work() -> Any:
        async with wiring.running(settings_of(context).settings) as house:
            opened = await house.open_book(book)
            owner = read("mch", merchant, "merchant") if merchant else None
            try:
                return await opened.write(lambda turn: create(turn, name, scopes or tuple(SCOPES), owner))
            finally:
                await opened.database.close()

    made, secret = run(work)
    click.echo(f"{show('key', made.id)}  {made.name}  {' '.join(made.scopes)}", err=True)
    click.echo("The secret is shown once:", err=True)
    click.echo(secret)


@key.command("revoke")
@click.argument("book")
@click.argument("key_id")
@click.pass_context
def key_revoke(context: click.Context, book: str, key_id: str) -> None:
    """Revoke an API key at once.

    Example: feiqian key revoke town key_019…
    """
    from feiqian import wiring
    from feiqian.access import revoke
    from feiqian.kernel.ids import as_id, read

    async def work() -> Any:
        async with wiring.running(settings_of(context).settings) as house:
            opened = await house.open_book(book)
            try:
                return await opened.write(lambda turn: revoke(turn, as_id(read("key", key_id))))
            finally:
                await opened.database.close()

    run(work)
    click.echo(f"{key_id} revoked")
