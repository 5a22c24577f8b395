"""Merchants: who is paid, where, by whose hand, and on what terms. Start at merchant.py.

A merchant has stores, a store has cashiers and terminals; money collects in the merchant's payable
wallet. `register.py` takes merchants in, `stores.py` what they have, `contract.py` holds the terms, and
`find.py` reads all of it.
"""

from feiqian.merchants.contract import Contract, ContractInThePast, agree, contracts
from feiqian.merchants.find import (
    find_cashier,
    find_merchant,
    find_merchants,
    find_store,
    find_stores,
    find_terminal,
    page_of_cashiers,
    page_of_contracts,
    page_of_merchants,
    page_of_stores,
    page_of_terminals,
)
from feiqian.merchants.merchant import (
    Agreement,
    BadMerchant,
    Cashier,
    Merchant,
    MerchantClosed,
    NewCashier,
    NewMerchant,
    NewStore,
    NewTerminal,
    Store,
    StoreStateRefused,
    Terminal,
)
from feiqian.merchants.register import register, resume, suspend
from feiqian.merchants.stores import (
    add_cashiers,
    add_stores,
    add_terminals,
    close_cashier,
    close_store,
    close_terminal,
)

__all__ = [
    "Agreement",
    "BadMerchant",
    "Cashier",
    "Contract",
    "ContractInThePast",
    "Merchant",
    "MerchantClosed",
    "NewCashier",
    "NewMerchant",
    "NewStore",
    "NewTerminal",
    "Store",
    "StoreStateRefused",
    "Terminal",
    "add_cashiers",
    "add_stores",
    "add_terminals",
    "agree",
    "close_cashier",
    "close_store",
    "close_terminal",
    "contracts",
    "find_cashier",
    "find_merchant",
    "find_merchants",
    "find_store",
    "find_stores",
    "find_terminal",
    "page_of_cashiers",
    "page_of_contracts",
    "page_of_merchants",
    "page_of_stores",
    "page_of_terminals",
    "register",
    "resume",
    "suspend",
]
