"""Parties: persons and organisations, how they are found and what state they are in. Start at party.py.

A party is whoever may own wallets. A merchant is not a party: it is a role with its own table.
`register.py` takes parties in and changes them, `find.py` reads them.
"""

from feiqian.parties.find import by_phone, by_reference, find_parties, find_party, page_of_parties
from feiqian.parties.party import (
    BadAccountClass,
    BadName,
    BadPhone,
    NewParty,
    NotAPerson,
    Party,
    PartyNotEmpty,
    PartyStateRefused,
    PhoneTaken,
    ReferenceTaken,
    e164,
)
from feiqian.parties.register import register, set_class, set_state

__all__ = [
    "BadAccountClass",
    "BadName",
    "BadPhone",
    "NewParty",
    "NotAPerson",
    "Party",
    "PartyNotEmpty",
    "PartyStateRefused",
    "PhoneTaken",
    "ReferenceTaken",
    "by_phone",
    "by_reference",
    "e164",
    "find_parties",
    "find_party",
    "page_of_parties",
    "register",
    "set_class",
    "set_state",
]
