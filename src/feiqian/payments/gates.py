"""Gates: the questions the house asks before money moves, each a function of order and facts.

A gate passes by returning, refuses by raising Refused. Orders name their gates; the names are these
six and no more. A product's own question is asked by the product, before it makes the order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feiqian.instruments.limits import check
from feiqian.instruments.usage import Counting
from feiqian.instruments.wallet import Wallet, WalletNotFound
from feiqian.kernel.errors import Broken
from feiqian.kernel.money import Money
from feiqian.payments.order import Order

NAMES = ("risk", "limits", "step_up", "screening", "approval", "mandate")


@dataclass
class Asking:
    """What a gate may look at."""

    order: Order
    payer: Wallet
    total: Money
    counting: Counting

    @property
    def scopes(self) -> list[str]:
        """The usage this order counts in: the owner's balance and, paid by code, the code's class.

        A customer's spending counts whether or not this order asks about limits.
        """
        if not self.payer.is_customers:
            return []
        code_class = self.order.refs.get("code_class")
        return ["balance", f"code_{code_class}"] if code_class else ["balance"]


def limits(asking: Asking) -> None:
    """Limits of the owner's class, of the code's class and of the owner's own wish, all together."""
    payer, code = asking.payer, asking.total.currency
    if not payer.is_customers:
        # The house and merchants have no limits, so nothing that asks about limits is paid by them.
        raise WalletNotFound("payer")
    code_class = asking.order.refs.get("code_class")
    counting = asking.counting
    check(
        asking.total,
        payer.account_class,
        code_class,
        payer.limits,
        counting.of(payer.owner, "balance", code),
        counting.of(payer.owner, f"code_{code_class}", code) if code_class else None,
    )


GATES: dict[str, Callable[[Asking], None]] = {"limits": limits}


def ask(asking: Asking) -> None:
    """Ask every gate the order names, in its order. Raises: Refused by the first that says no."""
    for name in asking.order.gates:
        gate = GATES.get(name)
        if gate is None:
            # An order that asks for a question nobody here can answer must not pass unasked.
            raise Broken(gate=name)
        gate(asking)
