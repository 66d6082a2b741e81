"""What became of a report, from what is known of its request. Nothing here sends or writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from shared.connectors.http_failures import http_failure
from shared.domain.fault import Fault
from shared.domain.reporting import ReportState
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError, TransientError

_NOT_LET_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})
_TO_BE_ASKED_LATER = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Statuses by which a server says that it has not dealt with the request (RFC 9110, 8470, 6585)."""
_OF_THE_WAY = frozenset(
    {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.GONE,
    }
)
"""Refusals that may be of the address or the account: of a repeat they say nothing about what an
earlier request came to."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a report: whether an earlier one may have arrived, and whether that matters."""

    period: str
    is_repeat: bool
    honours_key: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status and headers, and the receipt number if one was found.

    `needs_receipt` tells that an answer without one proves nothing.
    """

    status: int
    headers: Mapping[str, str]
    receipt: str | None
    needs_receipt: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to write down about a report, and what the run ends with, if not with success."""

    state: ReportState
    error: TransientError | PermanentError | None = None
    status: int | None = None
    receipt: str | None = None


def verdict_of(request: Request, answer: Answer, now: datetime) -> Verdict:
    """Return what an answer means; every status has a meaning. `now` is aware."""
    status = answer.status
    asked = getattr(http_failure(status, answer.headers, now), "retry_after", None)
    label = f"HTTP {status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if answer.receipt is None and answer.needs_receipt:
            return _doubt(request, "the answer had no receipt number", status)
        return Verdict(ReportState.ACCEPTED, None, status, answer.receipt)
    if status in _NOT_LET_IN:
        error = PermanentError(
            f"The endpoint refused the login ({label}), and did not take the report for"
            f" {request.period}: check the connector's auth.",
            code=Reason.AUTHORIZATION,
            fault=Fault.LOGIN,
        )
        return Verdict(_not_taken(request), error, status)
    if status in _TO_BE_ASKED_LATER or (status == HTTPStatus.CONFLICT and _is_under_way(request)):
        return _later(request, status, asked)
    refusal = _refusal(request, status)
    return _doubt(request, label, status, asked) if refusal is None else refusal


def verdict_of_break(request: Request, error: SynclineError, *, is_begun: bool) -> Verdict:
    """Return what it means that there is no answer; `is_begun` if any of the report went out.

    Without its end nobody can take a report for whole, so that one that was not begun is not there.
    """
    if is_begun:
        return _doubt(request, "the connection broke, or no answer came in time")
    told = f"The report for {request.period} was not sent. {error}"
    if isinstance(error, PermanentError):
        again: TransientError | PermanentError = PermanentError(
            told, code=error.code, fault=error.fault
        )
    else:
        again = TransientError(told, code=error.code, fault=getattr(error, "fault", None))
    return Verdict(_not_taken(request), again)


def unknown(period: str, why: str) -> PermanentError:
    """Return the error of a report of which a person has to find out whether it arrived."""
    return PermanentError(
        f"It is not known whether the report for {period} arrived: {why}. Ask who receives it, then"
        " settle it among the connector's reports, as arrived or to be sent again.",
        fault=Fault.OTHER,
    )


def refused(period: str, label: str) -> PermanentError:
    """Return the error of a report that was refused before, and is not sent again by itself."""
    return PermanentError(
        f"The report for {period} was refused ({label}): correct what is refused, then ask for a"
        " corrected report.",
        fault=Fault.SCHEMA,
    )


def _refusal(request: Request, status: int) -> Verdict | None:
    """Return what a status of the caller's own making means; None for any other."""
    match status // 100:
        case 3 if status != HTTPStatus.SEE_OTHER:
            why = "it leads to another address, where a report is not sent: correct endpoint.url"
            return _refused(request, status, why, is_of_the_way=True)
        case 4:
            why = "correct what it refuses, then ask for a corrected report"
            return _refused(request, status, why, is_of_the_way=status in _OF_THE_WAY)
        case _:
            return None


def _not_taken(request: Request) -> ReportState:
    return ReportState.SENDING if request.is_repeat else ReportState.WAITING


def _is_under_way(request: Request) -> bool:
    """Tell whether a conflict may be with an earlier request of ours under the same key."""
    return request.is_repeat and request.honours_key


def _later(request: Request, status: int, asked: timedelta | None) -> Verdict:
    is_throttled = status == HTTPStatus.TOO_MANY_REQUESTS
    error = TransientError(
        f"The endpoint did not take the report for {request.period} yet (HTTP {status}).",
        code=Reason.RATE_LIMITED if is_throttled else Reason.SOURCE_UNAVAILABLE,
        fault=Fault.RATE_LIMITED if is_throttled else Fault.UNAVAILABLE,
        retry_after=asked,
    )
    return Verdict(_not_taken(request), error, status)


def _refused(request: Request, status: int, why: str, *, is_of_the_way: bool) -> Verdict:
    error = PermanentError(
        f"The endpoint refused the report for {request.period} (HTTP {status}): {why}.",
        fault=Fault.PERMISSION if status == HTTPStatus.FORBIDDEN else Fault.SCHEMA,
    )
    is_in_doubt = request.is_repeat and is_of_the_way
    return Verdict(ReportState.SENDING if is_in_doubt else ReportState.REFUSED, error, status)


def _doubt(
    request: Request, why: str, status: int | None = None, asked: timedelta | None = None
) -> Verdict:
    if not request.honours_key:
        return Verdict(ReportState.UNKNOWN, unknown(request.period, why), status)
    error = TransientError(
        f"It is not known whether the report for {request.period} arrived: {why}. It is sent again"
        " with the same key.",
        code=Reason.SOURCE_UNAVAILABLE,
        fault=Fault.UNAVAILABLE,
        retry_after=asked,
    )
    return Verdict(ReportState.SENDING, error, status)
