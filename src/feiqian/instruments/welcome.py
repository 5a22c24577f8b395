"""Welcome: register people and organisations, each with a wallet in a currency; open them further ones."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from feiqian.instruments.manage import wallet, wallets_of
from feiqian.instruments.wallet import Wallet, audited_ids, open_wallets
from feiqian.kernel.book import Turn
from feiqian.kernel.currency import currency
from feiqian.kernel.errors import Refused
from feiqian.parties import NewParty, Party, PartyStateRefused, find_party, register

KIND = {"person": "customer_wallet", "organisation": "organisation_wallet"}
"""The kind of wallet a kind of party has."""


class Newcomer(msgspec.Struct, frozen=True):
    """A party to register, and the currency of its first wallet."""

    party: NewParty
    currency: str = "CNY"


async def welcome(turn: Turn, asked: Sequence[Newcomer]) -> list[Party | Refused]:
    """Register parties and open each a wallet. -> one answer each, in order; a refusal stops no neighbour.

    Refuses: UnknownCurrency, and what parties.register refuses.
    """
    unknown = {n: refusal for n, one in enumerate(asked) if (refusal := _refusal(one))}
    sound = [one.party for n, one in enumerate(asked) if n not in unknown]
    registered = iter(await register(turn, sound))
    answers = [unknown.get(n) or next(registered) for n in range(len(asked))]
    await open_wallets(
        turn,
        [
            (party.id, KIND[party.kind], one.currency)
            for one, party in zip(asked, answers, strict=True)
            if isinstance(party, Party)
        ],
    )
    return answers


def _refusal(one: Newcomer) -> Refused | None:
    try:
        currency(one.currency, "currency")
    except Refused as refusal:
        return refusal
    return None


async def open_wallet(turn: Turn, party_id: UUID, code: str) -> Wallet:
    """A party's wallet in a currency; the one it has already is answered as it stands.

    Raises: NotFound, UnknownCurrency; PartyStateRefused for a closed party.
    """
    currency(code, "currency")
    party = await find_party(turn.connection, party_id)
    if party.state == "closed":
        raise PartyStateRefused("state", state=party.state)
    had = {each.id for each in await wallets_of(turn.connection, party.id)}
    (id,) = await open_wallets(turn, [(party.id, KIND[party.kind], code)])
    opened = await wallet(turn.connection, id)
    if id not in had:
        turn.note("wallet.opened", *audited_ids(opened), after={"currency": code})
    return opened
