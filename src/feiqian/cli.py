"""The command line: start the server, look after books and keys, prove the books."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import time
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn, TypeVar

STARTED = monotonic()

import click  # noqa: E402

from feiqian import __version__, cli_vault  # noqa: E402

T = TypeVar("T")

OK, FAILED, USAGE, NOT_FOUND, REFUSED, TRY_AGAIN = range(6)
INTERRUPTED = 130
"""Exit codes."""


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run on uvloop where there is one; an error of ours ends the command with its text and exit code."""
    import asyncio

    from feiqian.kernel.errors import FeiqianError

    try:
        import uvloop

        factory: Any = uvloop.new_event_loop
    except ImportError:
        factory = None
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(work())
    except FeiqianError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _end(error: Any) -> NoReturn:
    """Say what is wrong in the user's language and leave with the exit code for it."""
    from feiqian.kernel.errors import NotFound, Refused
    from feiqian.kernel.settings import BadSettings

    click.echo(error.message(_language()), err=True)
    if isinstance(error, BadSettings):
        sys.exit(USAGE)
    if isinstance(error, NotFound):
        sys.exit(NOT_FOUND)
    if error.retryable:
        sys.exit(TRY_AGAIN)
    sys.exit(REFUSED if isinstance(error, Refused) else FAILED)


def _language() -> str:
    spoken = next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
    )
    return "zh" if spoken.lower().startswith("zh") else "en"


def settings_of(context: click.Context) -> Any:
    """The settings, with the command's flags on top; those that cannot be used end the command."""
    from feiqian.kernel.settings import BadSettings

    try:
        return _load(context)
    except BadSettings as error:
        _end(error)


def _load(context: click.Context) -> Any:
    from feiqian.kernel.settings import load

    return load(config=context.obj["config"], flags=context.obj["flags"])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings.")
@click.option("--data-dir", help="Folder for our own database server and keys.")
@click.pass_context
def main(context: click.Context, config: Path | None, data_dir: str | None) -> None:
    """feiqian 飞钱: mobile payments and embedded finance."""
    if os.environ.get("NO_COLOR"):
        context.color = False
    context.obj = {"config": config, "flags": {"data_dir": data_dir} if data_dir else {}}


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--wait", "waits", is_flag=True, hidden=True)  # load, begin at a line on stdin, end with stdin
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None, waits: bool) -> None:
    """Serve the API of all books until Ctrl-C.

    Example: feiqian serve --port 8080
    """
    from feiqian import wiring
    from feiqian.kernel.logs import configure
    from feiqian.serve import serve_app

    if waits:
        _wait_for_word()

    flags = context.obj["flags"]
    flags |= {name: value for name, value in (("http.host", host), ("http.port", port)) if value is not None}
    settings = settings_of(context).settings
    configure(settings.log.level, settings.log.format)

    async def work() -> None:
        async with wiring.running(settings) as house:
            await house.registry.migrate()
            books = [await house.open_book(record.name) for record in await house.registry.books()]
            app = await house.serve(books)
            await serve_app(
                app,
                settings.http.host,
                settings.http.port,
                lambda address: click.echo(f"feiqian serves {address}"),
            )

    run(work)


def _wait_for_word() -> None:
    """Return at the first line on stdin; from then on, end when whoever wrote it is gone."""
    import signal
    from threading import Thread

    if not sys.stdin.readline():
        sys.exit(FAILED)

    def watch() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


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


@main.command()
@click.option(
    "--exit", "exits", is_flag=True, help="End when the day is over; exit code 1 if anything is off."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line on stdout when the day is over.")
@click.option("--seed", type=int, help="Play the day of this seed; by chance when left out.")
@click.option("--people", type=click.IntRange(12, 100_000), default=300, show_default=True)
@click.option("--shops", type=click.IntRange(8, 10_000), default=60, show_default=True)
@click.option("--payments", type=click.IntRange(20, 10_000_000), default=5_000, show_default=True)
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port to serve on.  [default: 8080, or a free one]"
)
@click.pass_context
def demo(
    context: click.Context,
    exits: bool,
    as_json: bool,
    seed: int | None,
    people: int,
    shops: int,
    payments: int,
    port: int | None,
) -> None:
    """Make a town, let it live a day of payments, prove its books, and serve it until Ctrl-C.

    The sandbox book named town is made anew each time. Notes go to stderr.

    Example: feiqian demo --exit --json --seed 7
    """
    from feiqian.simulator.start import begin

    settings = settings_of(context).settings
    command = [sys.executable, "-m", "feiqian", "--data-dir", settings.data_dir]
    if context.obj["config"]:
        command += ["--config", str(context.obj["config"])]
    # The server loads beside us, on another core, while we load and make the book it is to serve.
    with begin(settings, command, port) as server:
        from feiqian.simulator.demo import Wish
        from feiqian.simulator.demo import demo as play
        from feiqian.simulator.report import Display, machine_line

        display = Display(program=_program(context), stays=not exits)
        wish = Wish(stays=not exits, people=people, shops=shops, payments=payments, seed=seed)
        outcome = run(lambda: play(settings, server, wish, display, STARTED))
    if as_json and outcome.is_whole:
        click.echo(machine_line(outcome.line()))
    if exits and not outcome.ok:
        sys.exit(FAILED)


def _program(context: click.Context) -> str:
    """How to call us from here, as text to copy: `.venv/bin/feiqian --data-dir x`."""
    called = Path(sys.argv[0])
    words = ["python -m feiqian" if called.name == "__main__.py" else "feiqian"]
    if called.name == "feiqian" and not any(
        (Path(folder) / "feiqian") == called for folder in os.environ.get("PATH", "").split(os.pathsep)
    ):
        words = [os.path.relpath(called)]
    for flag, value in (
        ("--config", context.obj["config"]),
        ("--data-dir", context.obj["flags"].get("data_dir")),
    ):
        words += [flag, str(value)] if value else []
    return " ".join(words)


@main.command()
@click.option("--book", "name", help="Only this book; all when left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line on stdout, the last of all.")
@click.pass_context
def verify(context: click.Context, name: str | None, as_json: bool) -> None:
    """Prove the books from the database alone; exit code 1 when anything does not hold.

    Recomputes every balance, hold and hash from the first entry on, sets every payment against the
    ledger leg by leg, and every answer that was given against what exists.

    Example: feiqian verify --book town
    """
    from feiqian import wiring
    from feiqian.proof import Proof, prove_book, total

    async def work() -> list[Proof]:
        async with wiring.running(settings_of(context).settings) as house:
            await house.registry.migrate()
            names = [name] if name else [record.name for record in await house.registry.books()]
            proofs = []
            for each in names:
                opened = await house.open_book(each)
                try:
                    proofs.append(await prove_book(opened))
                finally:
                    await opened.database.close()
            return proofs

    proofs = run(work)
    for proof in proofs:
        _say_proof(proof)
    whole = proofs[0] if len(proofs) == 1 else total(proofs)
    if as_json:
        click.echo(json.dumps(whole.line(), ensure_ascii=False))
    if not whole.ok:
        sys.exit(FAILED)


def _say_proof(proof: Any) -> None:
    from feiqian.proof.prove import MEANS

    def say(text: str) -> None:
        click.echo(text, err=True)

    say(f"{proof.book}: {proof.verified:,} payments, {proof.answers:,} answers, {proof.entries:,} entries")
    for invariant, holds in proof.invariants.items():
        say(f"  {'yes' if holds else 'NO '} {invariant}  {MEANS[invariant]}")
    say(f"  {'yes' if proof.chain_verified else 'NO '} chain of {proof.blocks:,} blocks, newest {proof.head}")
    for fault in proof.faults:
        say(f"      {fault}")
    say(f"  in {proof.seconds:.1f} s")


@main.group()
def ledger() -> None:
    """The ledger: its proof."""


ledger.add_command(verify)
main.add_command(cli_vault.group(run, settings_of))


@main.group()
def audit() -> None:
    """The audit log: its proof."""


@audit.command("verify")
@click.option("--book", "name", help="Only this book; all when left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each book.")
@click.pass_context
def audit_verify(context: click.Context, name: str | None, as_json: bool) -> None:
    """Prove the audit logs from the database alone; exit code 1 when an entry was touched.

    Recomputes the chain of hashes from the first entry on and compares its end with the head. Keep the
    newest hash elsewhere: it fixes all that lies before it.

    Example: feiqian audit verify --book town
    """
    from feiqian import wiring
    from feiqian.kernel.audit.verify import AuditProof, verify_book

    async def work() -> dict[str, AuditProof]:
        async with wiring.running(settings_of(context).settings) as house:
            await house.registry.migrate()
            names = [name] if name else [record.name for record in await house.registry.books()]
            proofs = {}
            for each in names:
                opened = await house.open_book(each)
                try:
                    proofs[each] = await verify_book(opened)
                finally:
                    await opened.database.close()
            return proofs

    proofs = run(work)
    for each, proof in proofs.items():
        line = {"book": each, "ok": proof.ok, "entries": proof.entries, "head": proof.head}
        if as_json:
            click.echo(json.dumps(line | {"faults": proof.faults}, ensure_ascii=False))
            continue
        mark = "yes" if proof.ok else "NO "
        click.echo(f"{mark} {each}: chain of {proof.entries:,} entries, newest {proof.head}")
        for fault in proof.faults:
            click.echo(f"    {fault}")
    if not all(proof.ok for proof in proofs.values()):
        sys.exit(FAILED)


def _person() -> Any:
    """Whoever runs this command, as the audit log names them."""
    import getpass

    from feiqian.kernel.audit import Actor

    return Actor(f"cli:{getpass.getuser()}")


@main.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look at this machine and these settings: can we run here, and what is to be done if not?

    Example: feiqian doctor
    """
    from feiqian.doctor import examine

    # Settings that cannot be read are a finding like any other.
    findings = examine(lambda: _load(context).settings)
    for finding in findings:
        mark = click.style("ok ", fg="green") if finding.is_fine else click.style("NO ", fg="red")
        click.echo(f"{mark} {finding.what}: {finding.text}")
        if not finding.is_fine:
            click.echo(f"     {finding.remedy}")
    if not all(finding.is_fine for finding in findings):
        sys.exit(FAILED)


@main.group()
def config() -> None:
    """Settings: what they are, and where each comes from."""


@config.command("show")
@click.option("--origin", is_flag=True, help="Also where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def config_show(context: click.Context, origin: bool, as_json: bool) -> None:
    """Show every setting as it is in force; secrets are hidden.

    Example: feiqian config show --origin
    """
    rows = settings_of(context).rows()
    if as_json:
        shown = {key: {"value": value, "origin": where} for key, value, where in rows}
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for key, value, where in rows:
        click.echo(f"{key} = {value}" + (f"  # {where}" if origin else ""))


@config.command("schema")
def config_schema() -> None:
    """Print a JSON Schema of the settings file, for editors.

    Example: feiqian config schema > feiqian.schema.json
    """
    from feiqian.kernel.settings import json_schema

    click.echo(json_schema())


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
@click.option("--json", "as_json", is_flag=True, help="One JSON line with id and secret.")
@click.pass_context
def key_create(
    context: click.Context,
    book: str,
    name: str,
    scopes: tuple[str, ...],
    merchant: str | None,
    as_json: bool,
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
                return await opened.by(_person()).write(
                    lambda turn: create(turn, name, scopes or tuple(SCOPES), owner)
                )
            finally:
                await opened.database.close()

    made, secret = run(work)
    if as_json:
        line = {"id": show("key", made.id), "name": made.name, "scopes": made.scopes, "secret": secret}
        click.echo(json.dumps(line, ensure_ascii=False))
        return
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
                id = as_id(read("key", key_id))
                return await opened.by(_person()).write(lambda turn: revoke(turn, id))
            finally:
                await opened.database.close()

    run(work)
    click.echo(f"{key_id} revoked")
