"""A way through pages that leads in a circle is told, over slices too; one that repeats is not."""

import json
from typing import Any

import pytest

from shared.connectors.json_http.trail import Trail
from shared.errors import PermanentError

STUCK = "orders does not come to an end: its source (.*)\\. Check it\\."


def trail() -> Trail:
    return Trail("orders", ["id"], "Check it.")


def page(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in numbers]


def handed_on(one: Trail) -> Trail:
    """Return the trail as the next slice has it."""
    after = trail()
    after.recall(json.loads(json.dumps(one.memory())))
    return after


def test_pages_that_differ_lead_on() -> None:
    one = trail()
    for number in range(1_000):
        one.arrive(["page", number], page(number))
        one.leave(["page", number + 1])


def test_a_page_that_asks_for_one_before_it_is_a_circle() -> None:
    one = trail()
    one.arrive("a", page(1))
    one.leave("b")
    one = handed_on(one)
    one.arrive("b", page(2))
    with pytest.raises(PermanentError, match=STUCK) as failed:
        one.leave("a")
    assert (failed.value.code, failed.value.fault) == ("cursor_stuck", "schema")


def test_the_same_records_three_times_are_a_circle_and_twice_are_none() -> None:
    one = trail()
    one.arrive("a", page(1, 2))
    one.arrive("b", page(1, 2))
    one = handed_on(one)
    with pytest.raises(PermanentError, match=STUCK):
        one.arrive("c", page(1, 2))


def test_empty_pages_and_records_without_objects_are_no_circle() -> None:
    one = trail()
    for number in range(10):
        one.arrive(number, [])
    one.arrive("a", [None])  # type: ignore[list-item]


def test_what_is_forgotten_may_come_again() -> None:
    one = trail()
    one.arrive("a", page(1))
    one.forget()
    one.leave("a")


def test_what_the_next_slice_is_told_is_bounded() -> None:
    one = trail()
    for number in range(1_000):
        one.arrive(number, page(number))
    assert len(one.memory()["seen"]) == 200
    with pytest.raises(PermanentError, match=STUCK):
        handed_on(one).leave(999)
