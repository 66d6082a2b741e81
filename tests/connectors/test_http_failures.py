"""The status of a response decides, and its Retry-After says how long to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.http_failures import http_failure
from shared.domain.retry_after import LONGEST_RETRY_AFTER
from shared.errors import PermanentError, SynclineError, TransientError

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
NOTHING: Mapping[str, str] = {}


def date(after: timedelta) -> str:
    return format_datetime(NOW + after, usegmt=True)


@pytest.mark.parametrize(
    ("statuses", "kind", "code"),
    [
        ((401, 403), PermanentError, "authorization"),
        ((400, 404, 405, 409, 410, 413, 415, 422, 451), PermanentError, "configuration"),
        ((301, 302, 304, 307, 308), PermanentError, "configuration"),
        ((501, 505), PermanentError, "configuration"),
        ((429,), TransientError, "rate_limited"),
        ((408, 421, 423, 425), TransientError, "source_unavailable"),
        ((500, 502, 503, 504, 507, 520, 529, 599), TransientError, "source_unavailable"),
        ((-1, 0, 101, 200, 204, 600, 999), TransientError, "source_unavailable"),
    ],
)
def test_a_status_says_whether_a_repeat_can_help(
    statuses: tuple[int, ...], kind: type[SynclineError], code: str
) -> None:
    for status in statuses:
        failure = http_failure(status, NOTHING, NOW)
        assert (type(failure), failure.code) == (kind, code), status
        assert f"(HTTP {status})" in str(failure)


def test_a_refused_login_says_what_to_do() -> None:
    assert "authorize the connector again" in str(http_failure(401, NOTHING, NOW))
    assert "check" in str(http_failure(403, NOTHING, NOW))


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
@pytest.mark.parametrize("value", ["90", date(timedelta(seconds=90))])
def test_a_throttled_request_says_when_to_come_again(name: str, value: str) -> None:
    for status in (429, 503):
        failure = http_failure(status, {"Content-Type": "text/html", name: value}, NOW)
        assert isinstance(failure, TransientError)
        assert (failure.code, failure.retry_after) == ("rate_limited", timedelta(seconds=90))


@pytest.mark.parametrize("value", ["", "soon", "0", "-30", date(timedelta(seconds=-30))])
def test_a_retry_after_that_asks_for_no_wait_is_none(value: str) -> None:
    for status, code in ((429, "rate_limited"), (503, "source_unavailable")):
        failure = http_failure(status, {"Retry-After": value}, NOW)
        assert isinstance(failure, TransientError)
        assert (failure.code, failure.retry_after) == (code, None)


def test_a_date_is_read_by_the_clock_of_the_server_and_not_by_ours() -> None:
    wrong = timedelta(hours=-2)
    headers = {"date": date(wrong), "retry-after": date(wrong + timedelta(seconds=90))}
    failure = http_failure(429, headers, NOW)
    assert isinstance(failure, TransientError)
    assert failure.retry_after == timedelta(seconds=90)


def test_a_server_in_trouble_is_given_the_time_that_it_asks_for() -> None:
    failure = http_failure(502, {"Retry-After": "90"}, NOW)
    assert isinstance(failure, TransientError)
    assert (failure.code, failure.retry_after) == ("source_unavailable", timedelta(seconds=90))


def test_a_refusal_that_says_when_it_ends_is_a_limit() -> None:
    for status in (403, 413):
        failure = http_failure(status, {"Retry-After": "60"}, NOW)
        assert isinstance(failure, TransientError)
        assert failure.code == "rate_limited"
    for status in (401, 404):
        assert isinstance(http_failure(status, {"Retry-After": "60"}, NOW), PermanentError)


@given(
    status=st.integers(),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Date", "X"]) | st.text(max_size=20), st.text(max_size=80)
    ),
)
def test_every_response_has_an_answer_that_quotes_no_header(
    status: int, headers: dict[str, str]
) -> None:
    failure = http_failure(status, headers, NOW)
    assert str(failure) == str(http_failure(status, NOTHING, NOW)) or "fewer" in str(failure)
    if isinstance(failure, TransientError) and failure.retry_after is not None:
        assert timedelta(0) < failure.retry_after <= LONGEST_RETRY_AFTER
