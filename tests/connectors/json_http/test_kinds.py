"""A field lands as the narrowest type that holds each of its values exactly."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.dataset.destination import COLUMN_TYPE
from shared.connectors.json_http.answers import read_json
from shared.connectors.json_http.kinds import Kinds

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.decimals(allow_nan=False, allow_infinity=False, places=6),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    st.lists(st.integers()),
)


def landed(*values: Any) -> tuple[str, list[Any]]:
    """Return the type that a field with these values gets, and the values as they land."""
    kinds = Kinds(["id"], None)
    pages = [[{"id": number, "value": value}] for number, value in enumerate(values)]
    for page in pages:
        kinds.learn(page)
    hint: Any = kinds.columns()["value"]
    rows = [row for page in pages for row in kinds.landed(page)]
    return hint.get(COLUMN_TYPE, hint["data_type"]), [row["value"] for row in rows]


@pytest.mark.parametrize(
    ("values", "kind", "as_landed"),
    [
        ([1, None, -(2**63)], "bigint", [1, None, -(2**63)]),
        ([1, 2**63], "numeric", ["1", str(2**63)]),
        ([1, Decimal("0.10")], "numeric", ["1", "0.10"]),
        ([Decimal("1E+400")], "numeric", ["1E+400"]),
        ([Decimal("1E+999999")], "text", ["1E+999999"]),
        ([Decimal("1E-20000"), 1], "text", ["1E-20000", "1"]),
        ([True, None], "bool", [True, None]),
        (["007", "1"], "text", ["007", "1"]),
        ([7, "007"], "text", ["7", "007"]),
        ([True, 1], "text", ["true", "1"]),
        ([{"a": Decimal("0.10")}, []], "jsonb", ['{"a": 0.10}', "[]"]),
        ([{"a": 1}, "x"], "text", ['{"a": 1}', "x"]),
    ],
)
def test_values_land_exactly(values: list[Any], kind: str, as_landed: list[Any]) -> None:
    assert landed(*values) == (kind, as_landed)


@given(values=st.lists(SCALARS, min_size=1, max_size=6).filter(any))
def test_no_value_changes_on_its_way(values: list[Any]) -> None:
    kind, as_landed = landed(*values)
    for value, text in zip(values, as_landed, strict=True):
        if kind in ("numeric", "jsonb") or (kind == "text" and not isinstance(value, str)):
            assert text is None if value is None else read_json(text) == value
        else:
            assert text == value


def test_fields_that_share_a_column_have_one_kind() -> None:
    kinds = Kinds(["id"], None)
    kinds.learn([{"id": 1, "Name": 1}, {"id": 2, "name": "a"}])
    assert kinds.landed([{"Name": 1}]) == [{"Name": "1"}]
    assert {hint["data_type"] for hint in kinds.columns().values()} == {"bigint", "text"}


def test_a_field_without_a_value_gets_no_type() -> None:
    kinds = Kinds(["id"], None)
    kinds.learn([{"id": 1, "nothing": None}])
    assert set(kinds.columns()) == {"id"}


def test_a_key_has_a_value_in_every_row_and_the_newest_row_wins() -> None:
    kinds = Kinds(["Id"], "changed")
    kinds.learn([{"Id": 1, "changed": "2024-01-01"}])
    hints: Any = kinds.columns()
    assert [hints[name]["nullable"] for name in ("Id", "changed")] == [False, True]
    assert hints["changed"]["dedup_sort"] == "desc"


def test_what_is_no_object_is_left_to_who_rejects_it() -> None:
    kinds = Kinds(["id"], None)
    odd: Any = ["text", None, 7]
    kinds.learn(odd)
    assert kinds.landed(odd) == odd
