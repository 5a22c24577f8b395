"""Audit: who did what to rights and money settings, who was refused, who read whose identity.

A log of its own beside the ledger's: append-only, without gaps, each entry's hash over the one before.
`entry.py` holds the values and their bytes, `write.py` appends, `read.py` looks entries up, `verify.py`
proves the chain, and `recorder.py` writes what happens outside of any turn. Whoever changes something
in a turn says so with `turn.note` (kernel/book.py).
"""

from feiqian.kernel.audit.entry import NOBODY, SYSTEM, Actor, Entry, Note
from feiqian.kernel.audit.write import append

__all__ = ["NOBODY", "SYSTEM", "Actor", "Entry", "Note", "append"]
