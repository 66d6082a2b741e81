"""One rule says what a run or a look means for a connector's health."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.health import Health, Trouble, Verdict, next_look, verdict_on
from shared.domain.outcome import Counts, failed, succeeded, waits_for_retry
from shared.domain.retry import Retry
from shared.domain.run import Reason

AT = datetime(2026, 3, 1, tzinfo=UTC)
OURS = ("internal", "dataset_unavailable", "dataset_busy", "timed_out", "slice_too_long")


def test_without_trouble_it_is_healthy() -> None:
    assert verdict_on([]) == Verdict(Health.HEALTHY)


@pytest.mark.parametrize("code", OURS)
def test_trouble_of_ours_says_nothing(code: str) -> None:
    assert verdict_on([Trouble(code, "Ours.")]) is None


@pytest.mark.parametrize("code", sorted(set(Reason) - set(OURS)))
def test_trouble_of_its_own_makes_it_unhealthy(code: str) -> None:
    found = verdict_on([Trouble("internal", "Ours."), Trouble(code, "Its own."), Trouble(code, "")])
    assert found == Verdict(Health.UNHEALTHY, "Its own.")


def test_a_reason_is_as_long_as_its_column() -> None:
    found = verdict_on([Trouble("authorization", "x" * 2_000)])
    assert found is not None
    assert len(found.reason or "") == 500


def test_the_end_of_a_run_says_the_same_as_a_look() -> None:
    counts = Counts(1, 1, 0, 0)
    trouble = Trouble("authorization", "No.")
    unhealthy = Verdict(Health.UNHEALTHY, "No.")
    assert succeeded(counts, {}).verdict == Verdict(Health.HEALTHY)
    assert succeeded(counts, {}, troubles=[trouble], shortfall="s").verdict == unhealthy
    assert failed("authorization", "No.").verdict == unhealthy
    assert failed("internal", "No.").verdict is None
    wait = Retry(timedelta(seconds=1), spends_attempt=True)
    assert waits_for_retry("source_unavailable", "No.", wait, attempt=1).verdict is None


@pytest.mark.parametrize(
    ("verdict", "pause"),
    [
        (Verdict(Health.HEALTHY), timedelta(days=1)),
        (Verdict(Health.UNHEALTHY, "No."), timedelta(hours=6)),
        (None, timedelta(hours=1)),
    ],
)
def test_the_next_look_is_spread_and_the_same_for_the_same(
    verdict: Verdict | None, pause: timedelta
) -> None:
    waits = {next_look(number, verdict, AT) - AT for number in range(100)}
    assert len(waits) == 100
    assert pause * 0.9 <= min(waits)
    assert max(waits) <= pause
    assert next_look(1, verdict, AT) == next_look(1, verdict, AT)
