"""Every answer means something, and nothing that may have arrived is ever taken for not sent."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.connectors.bufdir.verdict import (
    Answer,
    Request,
    Verdict,
    verdict_of,
    verdict_of_break,
)
from shared.domain.reporting import ReportState
from shared.errors import PermanentError, TransientError

NOW = datetime(2026, 4, 1, tzinfo=UTC)
REQUESTS = [
    Request("2026-Q1", is_repeat=is_repeat, honours_key=honours_key)
    for is_repeat in (False, True)
    for honours_key in (False, True)
    if honours_key or not is_repeat
]
FIRST, PLAIN, REPEAT = (
    Request("2026-Q1", is_repeat=False, honours_key=True),
    Request("2026-Q1", is_repeat=False, honours_key=False),
    Request("2026-Q1", is_repeat=True, honours_key=True),
)


def verdict(request: Request, status: int, receipt: str | None = None, **headers: str) -> Verdict:
    return verdict_of(request, Answer(status, headers, receipt, needs_receipt=True), NOW)


@pytest.mark.parametrize("request_", REQUESTS)
def test_every_status_has_a_state_and_what_is_not_accepted_an_error(request_: Request) -> None:
    for status in range(100, 600):
        found = verdict(request_, status)
        assert found.state is not ReportState.ACCEPTED
        assert isinstance(found.error, TransientError | PermanentError)
        if isinstance(found.error, TransientError):
            assert found.state in (ReportState.SENDING, ReportState.WAITING)
        if request_.is_repeat:
            assert found.state is not ReportState.WAITING
        if not request_.honours_key:
            assert found.state is not ReportState.SENDING
        if status >= 500:
            assert found.state in (ReportState.SENDING, ReportState.UNKNOWN)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_with_a_receipt_is_accepted(status: int) -> None:
    assert verdict(FIRST, status, "R-1") == Verdict(ReportState.ACCEPTED, None, status, "R-1")


def test_a_success_is_enough_where_no_receipt_is_expected() -> None:
    answer = Answer(204, {}, None, needs_receipt=False)
    assert verdict_of(PLAIN, answer, NOW).state is ReportState.ACCEPTED


@pytest.mark.parametrize(("status", "seconds"), [(429, 7), (503, 7)])
def test_the_wait_that_is_asked_for_is_kept(status: int, seconds: int) -> None:
    error = verdict(FIRST, status, **{"retry-after": str(seconds)}).error
    assert isinstance(error, TransientError)
    assert error.retry_after == timedelta(seconds=seconds)


def test_a_conflict_is_a_refusal_unless_it_may_be_with_our_own_first_request() -> None:
    assert verdict(FIRST, 409).state is ReportState.REFUSED
    assert verdict(REPEAT, 409).state is ReportState.SENDING
    assert verdict(REPEAT, 422).state is ReportState.REFUSED


@pytest.mark.parametrize(
    ("request_", "is_begun", "state"),
    [
        (FIRST, False, ReportState.WAITING),
        (PLAIN, False, ReportState.WAITING),
        (REPEAT, False, ReportState.SENDING),
        (FIRST, True, ReportState.SENDING),
        (PLAIN, True, ReportState.UNKNOWN),
    ],
)
def test_what_was_not_begun_has_not_arrived_and_what_was_may_have(
    request_: Request, is_begun: bool, state: ReportState
) -> None:
    found = verdict_of_break(request_, TransientError("No way."), is_begun=is_begun)
    assert found.state is state


def test_a_host_that_may_not_be_reached_stays_a_permanent_error() -> None:
    error = PermanentError("No way.", fault="address_not_allowed")
    found = verdict_of_break(FIRST, error, is_begun=False)
    assert isinstance(found.error, PermanentError)
    assert (found.state, found.error.fault) == (ReportState.WAITING, "address_not_allowed")
