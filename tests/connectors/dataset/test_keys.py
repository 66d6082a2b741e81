"""A key that a stream had before refuses no row, and what a person made stays."""

import pytest

from shared.errors import PermanentError
from tests.connectors.databases import DATASET, Postgres
from tests.connectors.records import Records

INDEXES = f"SELECT indexname FROM pg_indexes WHERE schemaname = '{DATASET}' ORDER BY indexname"


def _by(records: Records, *key: str) -> Records:
    return Records(records.dataset, key=key)


@pytest.fixture
def orders(dataset: Postgres) -> Records:
    """Return a connector that brought rows by their number."""
    records = Records(dataset, key=("number",))
    records.load({"number": 1, "shop": "a"}, {"number": 2, "shop": "a"})
    return records


def test_rows_that_differ_by_the_new_key_alone_land(orders: Records) -> None:
    result = _by(orders, "number", "shop").load({"number": 1, "shop": "b"})
    assert (result.records_created, result.records_updated) == (1, 0)
    assert sorted(orders.rows("number, shop")) == [(1, "a"), (1, "b"), (2, "a")]


def test_what_was_a_part_of_the_key_may_be_missing_now(orders: Records) -> None:
    orders.dataset.execute(f"DELETE FROM {DATASET}.orders WHERE number = 2")
    assert _by(orders, "shop").load({"shop": "b"}).records_created == 1


def test_only_the_index_of_the_new_key_stays(orders: Records) -> None:
    ((before,),) = orders.dataset.rows(INDEXES)
    changed = _by(orders, "number", "shop")
    changed.load({"number": 3, "shop": "a"})
    ((after,),) = orders.dataset.rows(INDEXES)
    changed.load({"number": 4, "shop": "a"})
    assert before != after
    assert orders.dataset.rows(INDEXES) == [(after,)]


def test_an_index_and_a_primary_key_of_a_person_stay(orders: Records) -> None:
    orders.dataset.execute(
        f"ALTER TABLE {DATASET}.orders ADD PRIMARY KEY (number)",
        f"CREATE UNIQUE INDEX syncline_key_mine ON {DATASET}.orders (number)",
    )
    _by(orders, "shop", "number").load({"number": 3, "shop": "b"})
    names = [name for (name,) in orders.dataset.rows(INDEXES)]
    assert len(names) == 3
    assert {"orders_pkey", "syncline_key_mine"} < set(names)


def test_rows_of_before_that_are_one_by_the_new_key_are_told(orders: Records) -> None:
    with pytest.raises(PermanentError, match="several rows that are one by the primary key shop"):
        _by(orders, "shop").load({"number": 3, "shop": "b"})
    assert orders.rows("number") == [(1,), (2,)]
