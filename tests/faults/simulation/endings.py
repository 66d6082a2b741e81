"""What attempts end as, by chance, and what the product makes of it."""

from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from shared.domain import retry
from shared.domain.outcome import (
    Counts,
    Moved,
    Outcome,
    failed,
    goes_on,
    succeeded,
    waits_for_retry,
)
from shared.domain.retry import BASE, CAP, SHORTEST, THROTTLE_PATIENCE, Retry
from shared.domain.retry_after import LONGEST_RETRY_AFTER
from shared.domain.run import Reason
from tests.faults.simulation.rows import Run
from tests.faults.simulation.rules import require

_NOTHING = Counts(processed=0, created=0, updated=0, failed=0)
_ASKED_SECONDS = (0, 1, 90, 3_600, 86_400)


class End(StrEnum):
    """What becomes of an attempt."""

    SUCCESS = "success"
    SLICE = "slice"
    TROUBLE = "trouble"
    FAILURE = "failure"
    DEATH = "death"
    FREEZE = "freeze"


_ENDS = (
    (64, End.SUCCESS, 1, 50),
    (6, End.SUCCESS, 60, 2_400),
    (6, End.SLICE, 20, 1_200),
    (10, End.TROUBLE, 1, 100),
    (2, End.FAILURE, 1, 100),
    (7, End.DEATH, 0, 200),
    (5, End.FREEZE, 60, 500),
)
"""How likely each is, and how many seconds it takes at least and at most."""
_WEIGHTS = [weight for weight, *_ in _ENDS]


def draw_end(chance: Random) -> tuple[End, int]:
    """Return what becomes of an attempt, and after how many seconds."""
    [(_, end, least, most)] = chance.choices(_ENDS, _WEIGHTS)
    return end, chance.randint(least, most)


def outcome_of(end: End, run: Run, now: datetime, chance: Random) -> Outcome:
    """Return what a worker records of an attempt; `run` is as it was leased."""
    match end:
        case End.TROUBLE:
            return _after_trouble(run, now, chance)
        case End.FAILURE:
            return failed(Reason.CONFIGURATION, "The source says no.")
        case End.SLICE:
            return goes_on(Moved(_NOTHING, {}, {}))
        case _:
            return succeeded(_NOTHING, {})


def _after_trouble(run: Run, now: datetime, chance: Random) -> Outcome:
    asked = None
    if chance.random() < 0.2:
        asked = timedelta(seconds=chance.choice(_ASKED_SECONDS))
    throttled_for = timedelta(0) if run.throttled_since is None else now - run.throttled_since
    decided = retry.decide_retry(run.key, run.attempt, run.max_attempts, asked, throttled_for)
    _check_retry(run, decided, asked or timedelta(0), throttled_for)
    if decided is None:
        return failed(Reason.SOURCE_UNAVAILABLE, "The source is away.")
    return waits_for_retry(
        Reason.SOURCE_UNAVAILABLE, "The source is away.", decided, attempt=run.attempt
    )


def _check_retry(
    run: Run, decided: Retry | None, asked: timedelta, throttled_for: timedelta
) -> None:
    """Check that a retry comes while attempts are left or the source asks, and when."""
    is_asked = asked > timedelta(0) and throttled_for < THROTTLE_PATIENCE
    if decided is None:
        is_last = run.attempt >= run.max_attempts and not is_asked
        require(is_last, "no attempt is left out", run, run.attempt, run.max_attempts)
        return
    require(
        is_asked or run.attempt < run.max_attempts,
        "attempts end with the last one",
        run,
        run.attempt,
        run.max_attempts,
    )
    require(
        decided.spends_attempt is not is_asked,
        "a wait that the source asks for spends no attempt",
        run,
        asked,
    )
    least = max(SHORTEST, min(asked, LONGEST_RETRY_AFTER))
    most = max(min(BASE * 2 ** (run.attempt - 1), CAP), least, throttled_for)
    require(least <= decided.wait <= most, "a wait is bounded", run, decided, asked)
