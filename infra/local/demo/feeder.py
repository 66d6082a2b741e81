"""Lets time pass in the demo's source: `python -m infra.local.demo.feeder --port 8088`.

Every few seconds the next flights of 2013 are scheduled, and of some earlier ones it becomes
known how they went. It continues where it stopped, and ends when the year is over.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pg8000.dbapi

from infra.local.demo.source import INSERT_FLIGHTS, SETTLE_FLIGHTS, connect

_FLIGHTS_A_STEP = 6
_SECONDS_A_STEP = 2.0
_STEPS_A_LINE = 30
_KEPT_OPEN = 400
"""How many flights are under way: what is settled lags so far behind what is scheduled."""


@dataclass(frozen=True, slots=True)
class Step:
    """How many flights one step scheduled, and of how many it wrote down how they went."""

    scheduled: int
    settled: int


def advance(connection: pg8000.dbapi.Connection, flights: int = _FLIGHTS_A_STEP) -> Step:
    """Schedule the next `flights` and settle as many old ones as keeps the number under way."""
    cursor = connection.cursor()
    cursor.execute(INSERT_FLIGHTS, (flights,))
    scheduled = cursor.rowcount
    cursor.execute("SELECT count(*) FROM flight WHERE status = 'scheduled'")
    under_way: int = cursor.fetchall()[0][0]
    # At the end of the year nothing new keeps the others open.
    to_settle = max(under_way - _KEPT_OPEN, 0) if scheduled else flights
    cursor.execute(SETTLE_FLIGHTS, (min(to_settle, 2 * flights),))
    settled = cursor.rowcount
    connection.commit()
    return Step(scheduled, settled)


def feed(port: int, seconds: float) -> None:
    """Advance every `seconds` until all flights have flown; say once a minute what was done."""
    with connect(port) as connection:
        steps: list[Step] = []
        while (step := advance(connection)) != Step(0, 0):
            steps.append(step)
            if len(steps) == _STEPS_A_LINE:
                _tell(connection, steps)
                steps.clear()
            time.sleep(seconds)
    print("the year is over: every flight of 2013 is in", flush=True)


def _tell(connection: pg8000.dbapi.Connection, steps: Sequence[Step]) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT max(scheduled_departure_at) FROM flight")
    reached: datetime = cursor.fetchall()[0][0]
    connection.rollback()
    print(
        f"{sum(step.scheduled for step in steps)} flights scheduled, "
        f"{sum(step.settled for step in steps)} settled; the source is at {reached:%d %B %Y %H:%M}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Feed until the end of the data, or until a signal."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.demo.feeder",
        description=(__doc__ or "").partition(":")[0],
    )
    parser.add_argument("--port", type=int, required=True, help="of the local PostgreSQL")
    parser.add_argument("--seconds", type=float, default=_SECONDS_A_STEP, help="between two steps")
    parsed = parser.parse_args(arguments)
    feed(parsed.port, parsed.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
