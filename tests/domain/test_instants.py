import pytest

from shared.domain.instants import parse_instant
from shared.errors import InvalidInputError
from tests.factories import at


@pytest.mark.parametrize(
    "text",
    ["2026-12-01T02:00Z", "2026-12-01T02:00:00Z", "2026-12-01T03:00+01:00", "20261201T0200Z"],
)
def test_an_instant_is_read_with_its_zone(text: str) -> None:
    assert parse_instant(text) == at("02:00", day="2026-12-01")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not an instant"),
        ("now", "is not an instant"),
        ("2026-12-32T02:00Z", "is not an instant"),
        ("2026-12-01T02:00 01:00", "is not an instant"),
        ("9" * 1_000, "is not an instant"),
        ("\ud800", "is not an instant"),
        ("2026-12-01", "names no time zone"),
        ("2026-12-01T02:00", "names no time zone"),
        ("0001-01-01T00:00+14:00", "is beyond the calendar"),
        ("9999-12-31T23:59Z", "is beyond the calendar"),
    ],
)
def test_what_is_no_instant_with_a_zone_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_instant(text)
    [problem] = refused.value.problems
    assert (problem.field, problem.code) == ("at", "instant_form")
    assert problem.reason.endswith(reason)
    assert len(problem.reason) < 100
    assert problem.hint


def test_a_refusal_names_the_field_that_it_is_about() -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_instant("2999", "until")
    assert refused.value.problems[0].field == "until"
