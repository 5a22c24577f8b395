"""Benchmarks: `python -m bench` measures what the design promises. Start at harness.py."""
