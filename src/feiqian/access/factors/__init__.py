"""Factors: what somebody knows or holds, and how each is set up and checked. Start at proof.py.

`proof.py` says what a passed check is worth and what a customer was shown; `tries.py` counts tries
across sessions. Known: `password.py` and `pin.py`, kept by `memorised.py`, hashed by `hashing.py`, their
weak forms in `weak.py`. Held: `seed.py` (TOTP and OCRA, the sums in `otp.py` and `ocra.py`), `sms.py`
with `sms_sender.py` and `sim_swap.py`, and `passkey.py` over `webauthn_check.py`.

Checks that take a turn answer with a refusal instead of raising it: a raised one would undo the turn
and with it the count of the try. Checks that hash take the book, and hold its turn only before and after.
"""
