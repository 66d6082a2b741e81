from datetime import timedelta

from shared.domain.outcome import MAX_ERROR_CHARS, Counts, Moved, failed, succeeded, waits_for_retry
from shared.domain.retry import Retry
from shared.domain.run import RunStatus


def test_a_sync_that_falls_short_is_a_success_that_shows_as_partial_and_says_why() -> None:
    assert succeeded(Counts(3, 1, 2, 0), {}).shown_status == "success"
    partial = succeeded(Counts(3, 1, 1, 1), {}, shortfall="1 record could not be loaded.")
    assert (partial.status, partial.shown_status) == (RunStatus.SUCCESS, "partial")
    assert (partial.reason, partial.error) == ("partial", None)
    assert partial.shown_error == partial.event_detail["error"] == "1 record could not be loaded."


def test_an_attempt_that_waits_keeps_what_it_moved() -> None:
    retry = Retry(timedelta(seconds=30), spends_attempt=True)
    moved = Moved(Counts(3, 1, 2, 0), {"orders": {"finished": True}}, {"bytes": 9})
    outcome = waits_for_retry("source_unavailable", "no answer", retry, attempt=2, moved=moved)
    assert (outcome.counts, outcome.positions) == (moved.counts, moved.positions)
    assert (outcome.metadata, outcome.goes_on) == ({"bytes": 9}, False)


def test_an_error_text_is_bounded() -> None:
    outcome = failed("internal", "x" * 5_000)
    assert len(outcome.error) == MAX_ERROR_CHARS
    assert outcome.shown_error == outcome.error


def test_a_run_that_waits_shows_as_running_without_an_error() -> None:
    retry = Retry(timedelta(seconds=30), spends_attempt=True)
    outcome = waits_for_retry("source_unavailable", "no answer", retry, attempt=2)
    assert (outcome.retry_in, outcome.attempts_spent) == (retry.wait, 2)
    assert (outcome.status, outcome.shown_status) == (RunStatus.SCHEDULED, "running")
    assert outcome.shown_error is None
    assert outcome.event_detail["error"] == "no answer"


def test_a_pause_that_a_provider_asked_for_spends_nothing() -> None:
    retry = Retry(timedelta(minutes=5), spends_attempt=False)
    outcome = waits_for_retry("rate_limited", "too many", retry, attempt=2)
    assert (outcome.is_throttled, outcome.attempts_spent) == (True, 1)
