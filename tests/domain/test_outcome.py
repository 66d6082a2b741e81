from datetime import timedelta

from shared.domain.outcome import MAX_ERROR_CHARS, Counts, failed, succeeded, waits_for_retry
from shared.domain.run import RunStatus


def test_a_sync_with_rejected_records_is_a_success_that_shows_as_partial() -> None:
    assert succeeded(Counts(3, 1, 2, 0), {}).shown_status == "success"
    partial = succeeded(Counts(3, 1, 1, 1), {})
    assert (partial.status, partial.shown_status) == (RunStatus.SUCCESS, "partial")


def test_an_error_text_is_bounded() -> None:
    outcome = failed("internal", "x" * 5_000)
    assert len(outcome.error) == MAX_ERROR_CHARS
    assert outcome.shown_error == outcome.error


def test_a_run_that_waits_shows_as_running_without_an_error() -> None:
    outcome = waits_for_retry("source_unavailable", "no answer", timedelta(seconds=30))
    assert (outcome.status, outcome.shown_status) == (RunStatus.SCHEDULED, "running")
    assert outcome.shown_error is None
    assert outcome.event_detail["error"] == "no answer"
