"""A cursor value comes back from the database exactly as it went in."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.base import Watermark
from shared.connectors.watermarks import CursorValue, decode, encode
from shared.errors import PermanentError


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.text(),
        st.dates(),
        st.datetimes(),
        st.datetimes(timezones=st.just(UTC)),
    )
)
def test_every_value_survives_with_its_type(value: CursorValue) -> None:
    back = decode(encode("orders", "changed", value))
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "int"),
        (1.5, "float"),
        (Decimal("1.50"), "decimal"),
        ("a", "str"),
        (date(2024, 2, 29), "date"),
        (datetime(2024, 2, 29, tzinfo=UTC), "datetime"),
    ],
)
def test_the_stored_form_names_the_type(value: CursorValue, name: str) -> None:
    assert encode("orders", "changed", value).value["type"] == name


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"type": "int"},
        {"type": "uuid", "value": "1"},
        {"type": "int", "value": "one"},
        {"type": "decimal", "value": "one"},
        {"type": "datetime", "value": "yesterday"},
    ],
)
def test_a_watermark_that_cannot_be_read_says_to_reset_it(stored: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="reset"):
        decode(Watermark(stream="orders", cursor="changed", value=stored))
