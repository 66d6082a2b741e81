"""Medians of `next_after`: python -m tests.benchmarks.recurrence."""

import statistics
import time
from datetime import UTC, datetime, timedelta

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


def _compile_time(expression: str) -> float:
    canonical_cron.cache_clear()
    compile_cron.cache_clear()
    started = time.perf_counter()
    canonical_cron(expression)
    return time.perf_counter() - started


def _call_time(recurrence: Recurrence, base: datetime) -> float:
    started = time.perf_counter()
    recurrence.next_after(base)
    return time.perf_counter() - started


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:.1f}"


if __name__ == "__main__":
    main()
