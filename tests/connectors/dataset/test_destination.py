"""A load of records of any shape lands whole, and tells what it did to the dataset."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.connectors.base import always_has_time
from shared.connectors.slices import SliceTime, StreamTime
from tests.connectors.databases import DATASET, Postgres, hold_lease
from tests.connectors.records import Records

if TYPE_CHECKING:
    from shared.connectors.dataset.tally import LoadTally


@pytest.fixture
def load(dataset: Postgres, tmp_path: Path) -> Any:
    """Return a way to load records into the table orders, each time as a run does."""
    from shared.connectors.dataset.brought import Brought  # noqa: PLC0415 (dlt is slow to import)
    from shared.connectors.dataset.postgres import PostgresDataset  # noqa: PLC0415 (as above)
    from shared.connectors.dataset.rejects import Rejected  # noqa: PLC0415 (as above)
    from shared.connectors.dataset.seam import StreamLoad  # noqa: PLC0415 (as above)
    from shared.connectors.preparing import prepare  # noqa: PLC0415 (as above)
    from shared.connectors.progress import StreamProgress  # noqa: PLC0415 (as above)
    from shared.connectors.sandbox import shut_in  # noqa: PLC0415 (as above)
    from shared.connectors.streams import Stream  # noqa: PLC0415 (as above)

    shut_in()
    request = Records(dataset).request()

    def load_once(*records: dict[str, Any]) -> "LoadTally":
        loading = PostgresDataset(request, hold_lease, timedelta(seconds=5))
        progress = StreamProgress(
            "orders", None, StreamTime(SliceTime(always_has_time)), ordered=False
        )
        stream = Stream(iter([list(records)]), ("id",), progress)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        prepared = prepare(stream, stream.pages, folder, loading.destination, "orders")
        brought = Brought(Rejected("orders", request.run_id))
        with request.lines.watched():
            loading.take_turn()
            tally = loading.load(prepared, StreamLoad("orders", "orders", ["id"], False, brought))
            loading.close()
        return tally

    return load_once


def _rows(dataset: Postgres, columns: str) -> list[tuple[Any, ...]]:
    return dataset.rows(f"SELECT {columns} FROM {DATASET}.orders ORDER BY id")


def test_changes_of_columns_are_told_in_words_for_json(load: Any) -> None:
    assert load({"id": 1, "v": 7}).metadata == {}
    tally = load({"id": 2, "v": "seven", "w": 1.5}, {"id": 3, "v": "eight"})
    assert (tally.created, tally.updated) == (2, 0)
    told = [
        {
            "table": "orders",
            "column": "v",
            "was": "bigint",
            "becomes": "character varying",
            "lands_in": "v__v_text",
        },
        {
            "table": "orders",
            "column": "w",
            "was": None,
            "becomes": "double precision",
            "lands_in": "w",
        },
    ]
    assert tally.metadata == {"schema_changes": told}
    assert load({"id": 2, "v": "seven"}).metadata == {}


def test_mixed_values_of_one_load_and_of_later_ones_are_in_one_column_each(
    load: Any, dataset: Postgres
) -> None:
    assert load({"id": 1, "v": 7}, {"id": 2, "v": "two"}, {"id": 3, "v": 9}).changes == []
    columns = "id, v, v__v_text"
    assert _rows(dataset, columns) == [(1, 7, None), (2, None, "two"), (3, 9, None)]
    assert load({"id": 2, "v": "two"}, {"id": 1, "v": "one"}).updated == 1
    assert load({"id": 2, "v": 2}).updated == 1
    assert load({"id": 2, "v": 2}).updated == 0
    assert _rows(dataset, columns) == [(1, None, "one"), (2, 2, None), (3, 9, None)]
    assert load({"id": 3, "v": 3}, {"id": 2, "v": "two"}).updated == 2
    assert _rows(dataset, columns) == [(1, None, "one"), (2, None, "two"), (3, 3, None)]


def test_a_variant_of_a_name_that_dlt_shortens_is_known(load: Any, dataset: Postgres) -> None:
    name = "a" * 63
    load({"id": 1, name: 7}, {"id": 2, name: "two"})
    assert load({"id": 2, name: 2}).updated == 1
    ((variant,),) = dataset.rows(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{DATASET}.orders'::regclass"
        r" AND attname LIKE '%\_\_v\_text'"
    )
    assert _rows(dataset, f"id, {name}, {variant}") == [(1, 7, None), (2, 2, None)]


def test_a_source_column_that_is_named_as_a_variant_keeps_its_own_values(
    load: Any, dataset: Postgres
) -> None:
    load({"id": 1, "v": 7, "v__v_text": "real"})
    tally = load({"id": 1, "v": "seven", "v__v_text": "real"})
    assert (tally.updated, tally.changes[0]["lands_in"]) == (1, "v__v_text_2")
    assert _rows(dataset, "v, v__v_text, v__v_text_2") == [(None, "real", "seven")]


def test_a_tally_has_room_for_a_hundred_changes_and_counts_the_others() -> None:
    from shared.connectors.dataset.tally import LoadTally  # noqa: PLC0415 (dlt is slow to import)

    tally = LoadTally()
    tally.add(LoadTally(1, 2, 7, 5, [{"column": str(number)} for number in range(70)]))
    assert len(tally.metadata) == 1
    tally.add(LoadTally(3, 4, 1, 1, [{"column": str(number)} for number in range(70)]))
    tally.add(LoadTally(changes=[{"column": "last"}], changes_left_out=2))
    assert (tally.created, tally.updated, tally.deleted, tally.held) == (4, 6, 8, 6)
    assert len(tally.changes) == 100
    assert tally.metadata["schema_changes_left_out"] == 43
