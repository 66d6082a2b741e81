"""What failed in a slice is known to the next as what it was."""

import json
from datetime import timedelta

import pytest

from shared.connectors.base import StreamFailure
from shared.connectors.stream_troubles import (
    FAILED,
    ends_all,
    failures_kept,
    past_failures,
    without_counts,
)
from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError

ORDERS = StreamFailure("orders", TransientError("it broke off", fault=Fault.UNAVAILABLE))


def test_a_failure_is_kept_with_all_that_tells_what_to_do() -> None:
    refused = PermanentError("no table", code="configuration", fault=Fault.NOT_FOUND)
    positions = json.loads(json.dumps(failures_kept({}, [ORDERS, StreamFailure("lines", refused)])))
    past = past_failures(positions)
    kept = {
        name: (type(one.error), str(one.error), one.error.code, one.error.fault, one.times)
        for name, one in past.items()
    }
    assert kept == {
        "orders": (TransientError, "it broke off", "source_unavailable", "unavailable", 1),
        "lines": (PermanentError, "no table", "configuration", "not_found", 1),
    }


def test_failures_of_one_stream_are_counted_over_slices_and_the_last_one_told() -> None:
    positions = failures_kept({}, [ORDERS])
    later = StreamFailure("orders", TransientError("again", retry_after=timedelta(minutes=1)))
    past = past_failures(failures_kept(past_failures(positions), [later]))
    assert (past["orders"].times, str(past["orders"].error)) == (2, "again")
    assert failures_kept(past, []).keys() == {FAILED}


def test_a_failure_stands_if_its_stream_came_to_its_end() -> None:
    lines = StreamFailure("lines", ORDERS.error)
    past = past_failures(failures_kept({}, [ORDERS, lines], ended=["lines"]))
    assert {name: one.stands for name, one in past.items()} == {"orders": False, "lines": True}


def test_a_run_without_failures_keeps_none() -> None:
    assert failures_kept({}, []) == {}
    assert past_failures({"orders": {"finished": True}}) == {}


def test_failing_once_more_is_not_getting_on() -> None:
    place = {"lines": {"page": 2}}
    first = {**place, **failures_kept({}, [ORDERS])}
    again = {**place, **failures_kept(past_failures(first), [ORDERS])}
    assert first != again
    assert without_counts(first) == without_counts(again)
    assert without_counts(place) == place != without_counts(first)


@pytest.mark.parametrize(
    ("fault", "is_open", "ends"),
    [
        (Fault.LOGIN, True, True),
        (Fault.REFUSED, True, True),
        (Fault.ADDRESS_NOT_ALLOWED, False, True),
        (Fault.ADDRESS_NOT_ALLOWED, True, False),
        (Fault.TIMEOUT, False, True),
        (Fault.TIMEOUT, True, False),
        (Fault.NOT_FOUND, False, False),
        (Fault.SCHEMA, False, False),
    ],
)
def test_what_no_stream_gets_past_ends_all(fault: Fault, is_open: bool, ends: bool) -> None:
    assert ends_all(PermanentError("no", fault=fault), is_open=is_open) is ends


def test_what_is_said_to_be_of_the_connector_ends_all_whatever_it_is() -> None:
    error = PermanentError("no such database", fault=Fault.NOT_FOUND)
    error.is_of_connector = True
    assert ends_all(error, is_open=True)
