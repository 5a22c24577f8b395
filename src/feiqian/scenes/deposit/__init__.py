"""Deposits: money that has arrived in the custody account is credited to a wallet. Start at deposit.py."""

from feiqian.scenes.deposit.deposit import Deposit, deposit

__all__ = ["Deposit", "deposit"]
