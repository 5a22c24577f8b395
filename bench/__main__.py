"""`python -m bench [names…] [--json] [--quick] [--check]`

names: a benchmark (`ledger`) or one of its measurements (`ledger.hot`); without any, all.
"""

from __future__ import annotations

import argparse
import importlib
import sys

import msgspec
import uvloop

from bench.harness import Measurement, laboratory, surroundings

BENCHES = ("ledger", "payments")


def chosen(names: list[str]) -> dict[str, Measurement]:
    """Measurements by their full name. Raises: SystemExit for a name nobody knows."""
    every = {
        f"{bench}.{name}": measurement
        for bench in BENCHES
        for name, measurement in importlib.import_module(f"bench.{bench}").MEASUREMENTS.items()
    }
    picked = {key: m for key, m in every.items() if not names or key in names or key.split(".")[0] in names}
    for name in names:
        if not any(name in (key, key.split(".")[0]) for key in every):
            raise SystemExit(f"no benchmark {name}; there are {', '.join(every)}")
    return picked


async def run(measurements: dict[str, Measurement], as_json: bool, quick: bool) -> bool:
    """Measure, print as it goes, and tell whether every target was met. Each gets a server of its own."""
    all_met, introduced = True, False
    for name, measurement in measurements.items():
        async with laboratory(quick) as lab:
            if not introduced:
                about = await surroundings(lab)
                introduced = True
                if as_json:
                    print(msgspec.json.encode({"name": "surroundings", "quick": quick, **about}).decode())
                else:
                    print("\n".join(f"{key:<20}{value}" for key, value in about.items()), flush=True)
                    print("quick run: short, and history of 500,000 instead of 5,000,000\n" if quick else "")
            async for line in measurement(lab):
                line.name = f"{name.partition('.')[0]}.{line.name}"
                all_met = all_met and line.met is not False
                print(msgspec.json.encode(line).decode() if as_json else line, flush=True)
    return all_met


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", action="store_true", help="one line of JSON per measurement")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    asked = parser.parse_args()
    met = uvloop.run(run(chosen(asked.names), asked.json, asked.quick))
    sys.exit(0 if met or not asked.check else 1)


main()
