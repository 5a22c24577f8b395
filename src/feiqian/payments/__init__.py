"""Payments: the only floor that carries orders out. Start at submit.py.

An `Order` (order.py) says what should move; gates (gates.py) are asked first; `submit.py` carries a
batch of orders out in one turn, `capture.py`, `release.py` and `refund.py` do what comes after. The
life of a payment is the table in lifecycle.py, and nothing else changes a payment's state.
"""

from feiqian.payments.capture import Capture, capture
from feiqian.payments.order import Leg, Order
from feiqian.payments.payment import Payment, Step
from feiqian.payments.refund import Refund, refund
from feiqian.payments.release import cancel, lapse, lapse_overdue
from feiqian.payments.submit import submit

__all__ = [
    "Capture",
    "Leg",
    "Order",
    "Payment",
    "Refund",
    "Step",
    "cancel",
    "capture",
    "lapse",
    "lapse_overdue",
    "refund",
    "submit",
]
