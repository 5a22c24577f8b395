"""Proof: what must always hold of a book, shown from its database alone. Start at prove.py.

I1  per currency all entries sum to zero, and each transfer's do
I2  every stored balance is the sum of its entries, and what is held is the sum of open holds
I3  no account was ever below its floor
I4  no more is captured than authorised nor refunded than captured, fees and legs agree with the
    ledger to the unit, steps lead to states, and a purchase is paid once
I5  every answer that was given names a payment that exists, what was refused left nothing, and
    every step was told

`judge.py` compares and touches no database; `queries.sql` reads; `prove.py` goes through a book.
"""

from feiqian.proof.prove import Proof, prove, prove_book, total

__all__ = ["Proof", "prove", "prove_book", "total"]
