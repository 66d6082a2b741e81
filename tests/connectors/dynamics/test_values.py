"""Values of OData are read exactly, or refused."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.connectors.dynamics.values import Kind, kind_of, landed


@pytest.mark.parametrize(
    ("type_name", "kind"),
    [
        ("Edm.Int64", Kind.WHOLE),
        ("Edm.SByte", Kind.WHOLE),
        ("Edm.Single", Kind.DOUBLE),
        ("Edm.Guid", Kind.TEXT),
        ("Edm.Duration", Kind.TEXT),
        ("Edm.NewerThanWe", Kind.TEXT),
        ("Edm.GeographyPoint", Kind.JSON),
        ("Collection(Edm.String)", Kind.JSON),
        ("Microsoft.NAV.address", Kind.JSON),
    ],
)
def test_every_type_lands_as_something(type_name: str, kind: Kind) -> None:
    assert kind_of(type_name) is kind


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.WHOLE, "9223372036854775807", 2**63 - 1),
        (Kind.WHOLE, Decimal("1E+2"), 100),
        (Kind.DECIMAL, 7, "7"),
        (Kind.DECIMAL, "0.10", "0.10"),
        (Kind.DECIMAL, Decimal("12345678901234567890.10"), "12345678901234567890.10"),
        (Kind.DOUBLE, Decimal("0.1"), 0.1),
        (Kind.DOUBLE, "-INF", Decimal("-Infinity")),
        (Kind.TEXT, Decimal("1.50"), "1.50"),
        (Kind.TEXT, {"a": Decimal("1.50")}, '{"a": 1.50}'),
        (Kind.BINARY, "+/8", "\\xfbff"),
        (Kind.BINARY, "-_8", "\\xfbff"),
        (Kind.BINARY, "", "\\x"),
        (Kind.INSTANT, "2024-01-01T00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        (Kind.INSTANT, "2024-01-01T00:00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        (
            Kind.INSTANT,
            "2024-01-01T02:00:00.1234567+02:00",
            datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC),
        ),
    ],
)
def test_a_value_lands_exactly(kind: Kind, value: Any, expected: object) -> None:
    found = landed(kind, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.WHOLE, True),
        (Kind.WHOLE, "1.5"),
        (Kind.WHOLE, 2**63),
        (Kind.WHOLE, Decimal("1E+999999999")),
        (Kind.WHOLE, "Infinity"),
        (Kind.WHOLE, []),
        (Kind.DECIMAL, "NaN"),
        (Kind.DECIMAL, "x"),
        (Kind.DECIMAL, Decimal("1E+131072")),
        (Kind.DECIMAL, Decimal("1E-16384")),
        (Kind.DOUBLE, False),
        (Kind.DOUBLE, "x"),
        (Kind.BOOL, "true"),
        (Kind.DATE, "2024-02-30"),
        (Kind.DATE, 7),
        (Kind.TIME, "25:00:00"),
        (Kind.INSTANT, "0001-01-01T00:00:00+02:00"),
        (Kind.INSTANT, "yesterday"),
        (Kind.BINARY, "ø"),
        (Kind.BINARY, 7),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Kind, value: Any) -> None:
    with pytest.raises(ValueError, match="a value of another type"):
        landed(kind, value)
