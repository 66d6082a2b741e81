"""A field that is null in all records of a load empties its column; one that is absent does not."""

from typing import Any

import pytest

from tests.connectors.databases import Postgres
from tests.connectors.records import Records


@pytest.fixture
def orders(dataset: Postgres) -> Records:
    return Records(dataset)


def test_a_value_that_became_null_in_all_records_becomes_null(orders: Records) -> None:
    orders.load({"id": 1, "v": 7, "w": 1})
    result = orders.load({"id": 1, "v": None, "w": 1})
    assert (result.records_updated, orders.rows("id, v, w")) == (1, [(1, None, 1)])
    assert orders.load({"id": 1, "v": None, "w": 1}).records_updated == 0


def test_a_field_that_no_record_has_keeps_its_values(orders: Records) -> None:
    orders.load({"id": 1, "v": 7, "w": 1})
    assert orders.load({"id": 1, "w": 2}).records_updated == 1
    assert orders.rows("id, v, w") == [(1, 7, 2)]


@pytest.mark.parametrize("other", [{"id": 2, "v": None}, {"id": 2, "v": 9}])
def test_a_field_that_some_records_have_is_null_in_those_that_lack_it(
    orders: Records, other: dict[str, Any]
) -> None:
    orders.load({"id": 1, "v": 7})
    orders.load({"id": 1}, other)
    assert orders.rows("id, v") == [(1, None), (2, other["v"])]


def test_rows_that_the_load_does_not_bring_keep_their_values(orders: Records) -> None:
    orders.load({"id": 1, "v": 7}, {"id": 2, "v": 8})
    orders.load({"id": 1, "v": None})
    assert orders.rows("id, v") == [(1, None), (2, 8)]


def test_variants_are_emptied_as_well(orders: Records) -> None:
    orders.load({"id": 1, "v": 7}, {"id": 2, "v": 8})
    orders.load({"id": 1, "v": "seven"})
    assert orders.rows("id, v, v__v_text") == [(1, None, "seven"), (2, 8, None)]
    orders.load({"id": 1, "v": None}, {"id": 2, "v": None})
    assert orders.rows("id, v, v__v_text") == [(1, None, None), (2, None, None)]


def test_a_field_that_a_dataset_spells_otherwise_is_emptied(orders: Records) -> None:
    orders.load({"id": 1, "unitPrice": 7})
    orders.load({"id": 1, "unitPrice": None})
    assert orders.rows("id, unit_price") == [(1, None)]


def test_a_field_that_never_had_a_value_has_no_column(orders: Records) -> None:
    orders.load({"id": 1, "v": None})
    assert orders.load({"id": 1, "v": None}).records_updated == 0
    assert orders.rows("count(*), 1") == [(1, 1)]


def test_a_field_that_is_null_beside_a_rejected_record_is_emptied(orders: Records) -> None:
    orders.load({"id": 1, "v": 7})
    orders.load({"id": 1, "v": None}, {"v": 8})
    assert orders.rows("id, v") == [(1, None)]


def test_a_field_of_a_rejected_record_alone_empties_nothing(orders: Records) -> None:
    orders.load({"id": 1, "v": 7, "w": 1})
    orders.load({"id": 1, "w": 1}, {"v": None, "w": 2})
    assert orders.rows("id, v") == [(1, 7)]
