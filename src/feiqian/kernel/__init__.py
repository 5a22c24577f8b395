"""Kernel: money, ids, clock, errors, settings, database and jobs; no business noun. Start at money.py."""
