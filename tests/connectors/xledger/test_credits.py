"""A sync stops before a token's credits are spent, and waits for new ones as long as it takes."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from shared.connectors.registry import connector_type
from shared.connectors.xledger.credits import wait_until
from shared.errors import TransientError
from tests.connectors.databases import Postgres, hold_lease
from tests.connectors.xledger.readings import (
    Reader,
    XledgerShop,
    ids,
    projects,
    stream,
    sync_request,
    xledger,
)
from tests.connectors.xledger.server import GraphQlServer, refuses

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NONE_LEFT = "Xledger has no credits left for this token"
CODE = "BAD_REQUEST.INSUFFICIENT_CREDITS"
REPORTS = [
    {"remaining": "extensions.rateLimit.remaining", "reset_at": "extensions.rateLimit.resetAt"},
    {"remaining": "data.rateLimit.remaining", "reset_at": "data.rateLimit.resetAt"},
    {"remaining": "headers.X-Credits", "reset_at": "extensions.rateLimit.resetAt"},
]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that are taken, which take no time."""
    taken: list[float] = []
    monkeypatch.setattr("shared.egress.lines.Lines.pause", lambda _, seconds: taken.append(seconds))
    return taken


def in_(**wait: float) -> str:
    return (datetime.now(UTC) + timedelta(**wait)).isoformat()


def failure_of(server: GraphQlServer, **settings: Any) -> TransientError:
    with pytest.raises(TransientError, match=NONE_LEFT) as failed:
        connector_type("xledger").sync(sync_request(xledger(server, **settings)), hold_lease)
    assert (failed.value.code, failed.value.fault) == ("rate_limited", "rate_limited")
    return failed.value


def about(wait: timedelta | None) -> int:
    """Return a wait in minutes: between two clocks there are moments."""
    assert wait is not None
    return round(wait.total_seconds() / 60)


def test_a_run_waits_until_there_are_new_credits(server: GraphQlServer) -> None:
    server.credits, server.reset_at = 0, in_(minutes=45)
    error = failure_of(server)
    assert about(error.retry_after) == 45
    assert str(error) == f"{NONE_LEFT} (INSUFFICIENT_CREDITS)."
    assert len(server.asked) == 1


@pytest.mark.parametrize("reset_at", [None, "soon", "2030-01-01T00:00:00", True, {}])
def test_a_run_waits_a_while_if_nothing_says_when_they_come(
    server: GraphQlServer, reset_at: object
) -> None:
    server.credits, server.reset_at = 0, reset_at
    assert about(failure_of(server).retry_after) == 20


def test_credits_that_come_soon_are_waited_for_within_the_sync(
    server: GraphQlServer, pauses: list[float]
) -> None:
    server.projects = projects(2)
    extensions = {"resetAt": in_(seconds=20)}
    server.faults = [refuses(code=CODE, extensions=extensions)] * 2
    assert ids(Reader(xledger(server)).read_whole()) == [1, 2]
    assert [15 < pause <= 21 for pause in pauses if pause > 1] == [True, True]


def test_credits_that_never_come_end_the_attempt(
    server: GraphQlServer, pauses: list[float]
) -> None:
    server.always = refuses(code=CODE, extensions={"resetAt": in_(seconds=20)})
    failure_of(server)
    assert len(server.asked) == 4


@pytest.mark.parametrize("report", REPORTS)
def test_a_sync_stops_before_the_last_credits_are_spent(
    server: GraphQlServer, dataset: Postgres, report: dict[str, Any]
) -> None:
    server.projects = projects(9)
    server.credits, server.reset_at = 10, in_(minutes=45)
    settings = {"remaining": report["remaining"], "reset_at": report["reset_at"], "reserve": 2}
    one = XledgerShop(xledger(server, credits=settings), dataset)
    result = one.sync()
    assert result.trouble is not None
    assert about(result.trouble.retry_after) == 45
    assert (len(server.asked), result.records_created) == (2, 6)
    server.credits = 100
    assert one.sync().records_created == 3
    assert server.variables("after") == [None, "c3", "c6"]


def test_a_report_of_new_credits_soon_is_waited_for(
    server: GraphQlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[float] = []

    def pause(_: object, seconds: float) -> None:
        if seconds > 1:
            taken.append(seconds)
            server.credits = 100

    monkeypatch.setattr("shared.egress.lines.Lines.pause", pause)
    server.projects = projects(9)
    server.credits, server.reset_at = 7, in_(seconds=20)
    report = {**REPORTS[0], "reserve": 1}
    assert ids(Reader(xledger(server, credits=report)).read_whole()) == list(range(1, 10))
    assert [15 < one <= 21 for one in taken] == [True]


def test_answers_that_report_nothing_hold_nothing_up(server: GraphQlServer) -> None:
    server.projects = projects(5)
    report = {"remaining": "extensions.credits.left", "reserve": 5}
    assert len(Reader(xledger(server, credits=report)).read_whole()) == 5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2030-01-01T00:01:00Z", 60),
        ("2030-01-01T01:01:00+01:00", 60),
        ("2029-12-31T23:00:00Z", 0),
        ("2040-01-01T00:00:00Z", 86_400),
        (90, 90),
        ("90", 90),
        (1_893_456_060, 60),
        (-5, 0),
        (10**18, None),
        ("1e400", None),
    ],
)
def test_a_time_of_new_credits_is_read_as_it_is_written(value: object, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert wait_until(value, {}, NOW) == expected


def test_a_time_of_new_credits_is_read_by_the_servers_clock() -> None:
    headers = {"date": "Tue, 01 Jan 2030 00:00:30 GMT"}
    assert wait_until("2030-01-01T00:01:00Z", headers, NOW) == timedelta(seconds=30)


def test_queries_keep_the_pace_that_is_set(server: GraphQlServer) -> None:
    server.projects = projects(9)
    started = monotonic()
    Reader(xledger(server, stream(page_size=1), requests_per_second=40)).read_whole()
    times = [one.at for one in server.asked]
    assert len(times) == 9
    assert times[-1] - times[0] > 0.15
    assert monotonic() - started < 30
