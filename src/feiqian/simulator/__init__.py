"""Simulator: a town of people and shops that lives one day through the HTTP API. Start at demo.py.

`town.py` says who lives there, `plan.py` what each does and what must come of it, all from one seed.
`player.py` plays the plan over `wire.py`, a small HTTP client that can also hang up. `model.py` keeps
books of its own by what was acknowledged and compares them with the platform's when the day is over;
`report.py` says it all in words.
"""
