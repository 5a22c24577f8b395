"""Instruments: what one pays with and is paid into, and how much may be spent. Start at wallet.py.

`wallet.py` opens wallets and resolves them for a payment, `limits.py` holds the rules and dated
figures, `usage.py` the counters, `device.py` the phones that make payment codes.
"""

from feiqian.instruments.limits import OverLimit, OwnLimit, Usage
from feiqian.instruments.wallet import Wallet, house_wallet, open_wallets, resolve

__all__ = ["OverLimit", "OwnLimit", "Usage", "Wallet", "house_wallet", "open_wallets", "resolve"]
