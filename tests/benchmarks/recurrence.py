"""What `next_after` takes, at the median and at worst: python -m tests.benchmarks.recurrence."""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import NamedTuple

from shared.domain import recurrence as subject
from shared.domain.cron import canonical_cron, compile_cron
from shared.domain.recurrence import Recurrence

CASES = (
    ("every minute", "* * * * *", "UTC"),
    ("every 15 minutes", "*/15 * * * *", "Europe/Oslo"),
    ("nightly", "0 2 * * *", "Europe/Oslo"),
    ("nightly, New York", "0 2 * * *", "America/New_York"),
    ("weekdays", "30 6 * * 1-5", "Asia/Kathmandu"),
    ("monthly", "0 3 1 * *", "Australia/Lord_Howe"),
    ("last day of the month", "0 3 l * *", "America/Sao_Paulo"),
    ("second Monday", "0 3 * * mon#2", "Africa/Casablanca"),
    ("29 February", "0 0 29 2 *", "Europe/Dublin"),
    ("long list", "1,3,5,7,9,11,13,17,19,23,29,31,37 */2 1-7,15,l */3 mon,fri", "Asia/Tehran"),
)
ROUNDS = 400

SPARSE = (
    "0 0 29 2 *",
    "0 0 29 2 mon#5",
    "59 23 31 12 *",
    "0 0 l 2 *",
    "0 0 l 2 mon#1",
    "0 0 * 12 fri#5",
    "0 0 28,l 2 */6",
    "0-59 0-23 * 3 sun#5",
    "* 2 * 3 sun#5",
    "* 0,2,3 25-31 3 */7",
    "* 2 25-31 3,10 */7",
    "*/59 1-3 */30 3,9,10 sun",
)
"""Legal expressions with few dates, or with dates whose every time a clock change may skip."""

SEARCHED_ZONES = (
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/New_York",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Europe/Oslo",
    "Pacific/Apia",
)
SEARCHED_YEARS = (1890, 1945, 1983, 2011, 2024, 2026, 2096, 2100, 2397)
"""Before the first rules, in unruly years, and where a leap day is eight years away."""

REPEATS = 3
SHOWN = 5


class Answer(NamedTuple):
    seconds: float
    expression: str
    zone: str
    base: datetime


def main() -> None:
    """Print one line a case: compile, uncached, worst uncached and cached, in microseconds."""
    print(f"{'case':<24}{'compile':>10}{'uncached':>10}{'worst':>10}{'cached':>10}   (µs)")
    everything: list[float] = []
    for name, expression, zone in CASES:
        recurrence = Recurrence.from_cron(expression, zone)
        bases = [
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=37 * step, minutes=step)
            for step in range(ROUNDS)
        ]
        compiled = [_compile_time(expression) for _ in range(20)]
        subject._next_after.cache_clear()
        uncached = [_call_time(recurrence, base) for base in bases]
        cached = [_call_time(recurrence, base) for base in bases]
        everything.extend(uncached)
        print(
            f"{name:<24}{_micros(statistics.median(compiled)):>10}"
            f"{_micros(statistics.median(uncached)):>10}{_micros(max(uncached)):>10}"
            f"{_micros(statistics.median(cached)):>10}"
        )
    print(f"median of all uncached calls: {_micros(statistics.median(everything))} µs")
    _print_worst()


def _print_worst() -> None:
    answers = sorted(_searched(), reverse=True)
    print(f"the worst of {len(answers)} calls of sparse expressions:")
    for answer in answers[:SHOWN]:
        where = f"{answer.expression} {answer.zone} after {answer.base:%Y-%m-%d %H:%M}"
        print(f"{_micros(answer.seconds):>10} µs  {where}")


def _searched() -> Iterator[Answer]:
    for expression, zone in product(SPARSE, SEARCHED_ZONES):
        recurrence = Recurrence.from_cron(expression, zone)
        for base in _bad_bases(recurrence):
            calls = [_uncached_call_time(recurrence, base) for _ in range(REPEATS)]
            # The fastest: what is slower in one of them is the machine, not the search.
            yield Answer(min(calls), expression, zone, base)


def _bad_bases(recurrence: Recurrence) -> Iterator[datetime]:
    """Yield instants from which the next one is far: after one, and in years without any."""
    for year in SEARCHED_YEARS:
        base = datetime(year, 3, 1, tzinfo=UTC)
        yield base
        following = recurrence.next_after(base)
        if following is not None:
            yield following
            yield following + timedelta(hours=1)


def _compile_time(expression: str) -> float:
    canonical_cron.cache_clear()
    compile_cron.cache_clear()
    started = time.perf_counter()
    canonical_cron(expression)
    return time.perf_counter() - started


def _uncached_call_time(recurrence: Recurrence, base: datetime) -> float:
    subject._next_after.cache_clear()
    return _call_time(recurrence, base)


def _call_time(recurrence: Recurrence, base: datetime) -> float:
    started = time.perf_counter()
    recurrence.next_after(base)
    return time.perf_counter() - started


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:.1f}"


if __name__ == "__main__":
    main()
