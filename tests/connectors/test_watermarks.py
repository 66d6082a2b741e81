"""A cursor value comes back from the database exactly as it went in."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.base import Watermark
from shared.connectors.watermarks import (
    CursorValue,
    Value,
    decode,
    encode,
    is_finite,
    read_value,
    type_name,
    write_value,
)
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
        {"type": "bool", "value": "True"},
        {"type": "int", "value": "one"},
        {"type": "decimal", "value": "one"},
        {"type": "datetime", "value": "yesterday"},
    ],
)
def test_a_watermark_that_cannot_be_read_says_to_reset_it(stored: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="reset"):
        decode(Watermark(stream="orders", cursor="changed", value=stored))


@given(st.one_of(st.booleans(), st.times(), st.dates(), st.integers(), st.text()))
def test_a_value_of_a_key_survives_as_json_with_its_type(value: Value) -> None:
    back = read_value(json.loads(json.dumps(write_value(value))))
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize("stored", [{}, {"type": "bool", "value": "yes"}, {"type": "int"}, "1"])
def test_a_stored_value_of_another_form_is_a_value_error(stored: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"another form|invalid"):
        read_value(stored)


@pytest.mark.parametrize("value", [None, b"x", [1]])
def test_what_has_no_text_has_no_type_name(value: object) -> None:
    assert type_name(value) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        float("nan"),
        float("-inf"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        date.min,
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_signs_for_none_or_no_end_are_not_finite(value: object) -> None:
    assert not is_finite(value)


@pytest.mark.parametrize("value", [0, 2.5, Decimal("1e999"), "", False, date(1, 1, 2), time.max])
def test_every_other_value_is_finite(value: object) -> None:
    assert is_finite(value)
