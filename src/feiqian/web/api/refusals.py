"""Refusals that come together: what paying, welcoming and reading a code may say no with."""

from __future__ import annotations

from feiqian.instruments.limits import OverLimit
from feiqian.instruments.wallet import WalletClosed, WalletFrozen, WalletNotFound, WalletSuspended
from feiqian.kernel.currency import UnknownCurrency
from feiqian.kernel.errors import NotFound
from feiqian.kernel.money import CurrencyMismatch
from feiqian.kernel.text import BadName, BadText
from feiqian.parties import ReferenceTaken
from feiqian.payments.submit import AmountTooLarge, InsufficientFunds, SameWallet, SubjectReused
from feiqian.scenes.shop.emv import MalformedCode
from feiqian.scenes.shop.purchase import (
    CodeAlreadyPaid,
    CodeAltered,
    CodeCancelled,
    CodeExpired,
    CodeUnknown,
    CodeWrongShop,
    CurrencyNotTaken,
    OrderNoReused,
    StoreClosed,
    StoreNotFound,
    TillWrongShop,
)

RECEIVING = (WalletNotFound, WalletClosed, WalletSuspended, CurrencyMismatch, UnknownCurrency, AmountTooLarge)
PAYING = (*RECEIVING, WalletFrozen, SameWallet, InsufficientFunds, SubjectReused, OverLimit)
READING = (
    CodeUnknown,
    MalformedCode,
    CodeWrongShop,
    CodeAltered,
    CodeAlreadyPaid,
    CodeCancelled,
    CodeExpired,
)
RINGING = (
    NotFound,
    StoreNotFound,
    StoreClosed,
    CurrencyNotTaken,
    TillWrongShop,
    OrderNoReused,
    UnknownCurrency,
)
NAMING = (BadName, BadText, UnknownCurrency, ReferenceTaken)
