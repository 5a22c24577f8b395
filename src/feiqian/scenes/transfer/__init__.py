"""Transfers between persons: find by phone, see a masked name, then send. Start at transfer.py."""

from feiqian.scenes.transfer.transfer import Lookup, Send, forget_payees, look_up, send

__all__ = ["Lookup", "Send", "forget_payees", "look_up", "send"]
