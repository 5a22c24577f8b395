"""Vault: card numbers, kept here and nowhere else. Start at bind.py; a number comes out in open.py alone.

`keys.py` holds the key-encrypting keys, `seal.py` encrypts one card under one data key, `safe.py` is the
vault of a book: a schema, a database role and a pool of its own. `card.py` and `bins.py` know what a card
number is, `finder.py` finds one where none belongs. `token.py` decides what may stand for a card and how
far, `use.py` counts it. `rotate.py`, `destroy.py` and `verify.py` are for who looks after the keys.

Not by lists: binding a card is rare, and never on the way of a payment.
"""

from feiqian.vault.bind import NewCard, bind, cards_of, find_card, put_in_order, unbind
from feiqian.vault.card import Card
from feiqian.vault.keys import FileKeys, KeyProvider
from feiqian.vault.open import CardNumber, with_pan
from feiqian.vault.safe import NoVault, Vault
from feiqian.vault.token import Asked, Controls, Token, Used, may_use
from feiqian.vault.use import change_token, find_token, issue, tokens_of, use

__all__ = [
    "Asked",
    "Card",
    "CardNumber",
    "Controls",
    "FileKeys",
    "KeyProvider",
    "NewCard",
    "NoVault",
    "Token",
    "Used",
    "Vault",
    "bind",
    "cards_of",
    "change_token",
    "find_card",
    "find_token",
    "issue",
    "may_use",
    "put_in_order",
    "tokens_of",
    "unbind",
    "use",
    "with_pan",
]
