"""Live through many simulated worlds: `python -m tests.faults.simulation --ticks 1000000`.

Prints its seed first, and at the end how often what happened. `--seed` repeats a campaign, and
`--world` one world of it.
"""

import argparse
import secrets
import sys

from tests.faults.simulation.campaign import run_world, run_worlds
from tests.faults.simulation.journal import ViolationError

_TICKS = 1_000_000


def main() -> int:
    """Run the simulation; return 1 if a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbits(48))
    parser.add_argument("--ticks", type=int, default=_TICKS)
    parser.add_argument("--world", type=int, help="only the world of this number")
    options = parser.parse_args()
    print(f"simulation: seed {options.seed}", flush=True)
    try:
        if options.world is None:
            report = run_worlds(options.seed, options.ticks)
            counts = report.counts
            print(report)
        else:
            counts = run_world(options.seed, options.world).journal.counts
    except ViolationError as violation:
        print(violation, file=sys.stderr)
        return 1
    for what, number in sorted(counts.items()):
        print(f"{number:>10}  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
