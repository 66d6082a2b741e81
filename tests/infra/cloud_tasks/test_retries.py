from datetime import timedelta

import pytest

from infra.local.cloud_tasks.retries import RetryPolicy
from infra.local.emulator.backoff import Backoff
from tests.infra.cloud_tasks.hand import NOW, after

SECOND = timedelta(seconds=1)


def policy(**changes: object) -> RetryPolicy:
    fields: dict[str, object] = {
        "max_attempts": 100,
        "max_retry_duration": timedelta(0),
        "backoff": Backoff(10 * SECOND, 300 * SECOND, max_doublings=3),
    }
    return RetryPolicy(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("max_attempts", "max_seconds", "attempts", "seconds", "is_exhausted"),
    [
        (3, 0, 2, 10**5, False),
        (3, 0, 3, 0, True),
        (-1, 60, 1000, 59, False),
        (-1, 60, 1, 60, True),
        (3, 60, 3, 59, False),
        (3, 60, 2, 61, False),
        (3, 60, 3, 60, True),
        (-1, 0, 10**6, 10**6, False),
        (-1, 0, 1, 31 * 86_400, True),
    ],
)
def test_attempts_end_when_every_limit_that_is_set_is_reached(
    max_attempts: int, max_seconds: int, attempts: int, seconds: int, *, is_exhausted: bool
) -> None:
    one = policy(max_attempts=max_attempts, max_retry_duration=max_seconds * SECOND)
    assert one.is_exhausted(attempts, seconds * SECOND) is is_exhausted


def test_the_next_attempt_is_counted_from_the_failure() -> None:
    next_at = policy().next_attempt_at(attempts=2, first_attempt_at=NOW, now=after(60))
    assert next_at == after(80)


def test_after_the_last_attempt_there_is_no_next_one() -> None:
    last = policy(max_attempts=2)
    assert last.next_attempt_at(attempts=2, first_attempt_at=NOW, now=after(1)) is None
