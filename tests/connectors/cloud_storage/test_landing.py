"""Whatever files hold lands exactly, and where they disagree as what holds all of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.cloud_storage.landing import Kind, Landing, read_kinds, write_kinds
from shared.errors import PermanentError


@pytest.mark.parametrize(
    ("known", "brought", "lands_as", "value", "landed"),
    [
        (Kind.BIGINT, Kind.BIGINT, Kind.BIGINT, 1, 1),
        (Kind.BIGINT, Kind.NUMERIC, Kind.NUMERIC, Decimal("0.10"), "0.10"),
        (Kind.NUMERIC, Kind.BIGINT, Kind.NUMERIC, 7, "7"),
        (Kind.BIGINT, Kind.TEXT, Kind.TEXT, "x", "x"),
        (Kind.TEXT, Kind.BIGINT, Kind.TEXT, 7, "7"),
        (Kind.TEXT, Kind.BOOL, Kind.TEXT, True, "true"),
        (Kind.TEXT, Kind.TEXT, Kind.TEXT, 7, "7"),
        (Kind.TEXT, Kind.NUMERIC, Kind.TEXT, Decimal("0.10"), "0.10"),
        (Kind.TEXT, Kind.JSON, Kind.TEXT, {"a": [1]}, '{"a": [1]}'),
        (Kind.TEXT, Kind.BINARY, Kind.TEXT, b"\xff", "\\xff"),
        (
            Kind.TEXT,
            Kind.TIMESTAMP,
            Kind.TEXT,
            datetime(2024, 1, 1, tzinfo=UTC),
            "2024-01-01T00:00:00+00:00",
        ),
        (Kind.BINARY, Kind.BINARY, Kind.BINARY, b"\x00\xff", "\\x00ff"),
        (Kind.JSON, Kind.JSON, Kind.JSON, [Decimal("0.10"), "æ"], '[0.10, "æ"]'),
        (Kind.JSON, Kind.JSON, Kind.JSON, ["\0"], ["\0"]),
        (Kind.JSON, Kind.JSON, Kind.JSON, ["\ud800"], ["\ud800"]),
        (Kind.DOUBLE, Kind.DOUBLE, Kind.DOUBLE, float("inf"), Decimal("Infinity")),
    ],
)
def test_a_column_lands_as_what_holds_what_is_known_and_what_is_brought(
    known: Kind, brought: Kind, lands_as: Kind, value: Any, landed: Any
) -> None:
    landing = Landing("orders", {"a": known})
    assert landing.takes({"a": brought})
    assert landing.wanted == {"a": lands_as}
    record = {"a": value, "b": None}
    landing.land([record, "no object", {"a": None}], {"a": brought})
    assert record == {"a": landed, "b": None}


def test_columns_are_settled_by_the_first_page() -> None:
    landing = Landing("orders", {})
    assert landing.takes({"a": Kind.BIGINT})
    assert landing.takes({})
    assert not landing.takes({"a": Kind.NUMERIC})
    later = Landing("orders", read_kinds(write_kinds(landing.wanted)))
    assert later.takes({"a": Kind.BIGINT})
    assert later.wanted == {"a": Kind.NUMERIC}


def test_more_columns_than_a_table_has_are_refused() -> None:
    landing = Landing("orders", {})
    with pytest.raises(PermanentError, match=r"more than 1,500 columns"):
        landing.takes({f"c{number}": Kind.TEXT for number in range(1_501)})
