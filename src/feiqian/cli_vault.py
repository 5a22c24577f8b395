"""The command line of the vault: rotate its keys, prove its cards, destroy a group of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

WHO = "command line"


def group(run: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any], settings_of: Any) -> click.Group:
    """The commands. run, settings_of: those of the command line they are hung into."""

    @click.group()
    def vault() -> None:
        """The vault: keys and proof of the cards kept there."""

    @vault.command("rotate-keys")
    @click.option("--retire", is_flag=True, help="Also forget the keys that nothing needs any more.")
    @click.pass_context
    def rotate_keys(context: click.Context, retire: bool) -> None:
        """Make new key-encrypting keys and wrap all data keys anew; cards are bound and read meanwhile.

        Back the key files up before and after. Example: feiqian vault rotate-keys --retire
        """
        from feiqian import wiring

        settings = settings_of(context).settings
        for kind, done in run(lambda: wiring.rotate_vaults(settings, WHO, retire)).items():
            click.echo(
                f"{kind}: key {done.kek}, {done.rewrapped} data keys wrapped anew,"
                f" retired: {', '.join(done.retired) or 'none'}"
            )

    @vault.command()
    @click.option("--book", "name", help="Only this book; all when left out.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON line per book.")
    @click.pass_context
    def verify(context: click.Context, name: str | None, as_json: bool) -> None:
        """Decrypt every card and count; no number is shown. Exit code 1 when anything does not hold.

        Example: feiqian vault verify --book town
        """
        import msgspec

        from feiqian import wiring

        settings = settings_of(context).settings
        proofs = run(lambda: wiring.verify_vaults(settings, WHO, name))
        for proof in proofs:
            if as_json:
                click.echo(json.dumps({**msgspec.to_builtins(proof), "ok": proof.ok}, ensure_ascii=False))
                continue
            click.echo(
                f"{proof.book}: {proof.readable} cards readable, {proof.unreadable} with a destroyed key,"
                f" {proof.keys} data keys"
            )
            for fault in proof.faults:
                click.echo(f"  NO {fault}")
            if proof.exposed:
                click.echo("  NO the application's role can read the vault; give it a role of its own")
        if not all(proof.ok for proof in proofs):
            sys.exit(1)

    @vault.command("destroy-key")
    @click.argument("book")
    @click.argument("data_key", type=click.UUID)
    @click.option("--reason", required=True, help="Why, for the access log.")
    @click.confirmation_option(prompt="The cards of this data key will be unreadable for ever. Go on?")
    @click.pass_context
    def destroy_key(context: click.Context, book: str, data_key: Any, reason: str) -> None:
        """Destroy one data key: its cards are unreadable for ever. Then rotate and retire the others' key.

        Example: feiqian vault destroy-key town 01932c5e-8f4a-7b3c-9d2e-1f0a5b6c7d8e --reason "end of use"
        """
        from feiqian import wiring

        settings = settings_of(context).settings
        lost = run(lambda: wiring.destroy_in_vault(settings, WHO, book, data_key, reason))
        click.echo(f"{lost} cards are unreadable")

    return vault
