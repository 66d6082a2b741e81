"""Rejects are written with the merge, once each, and forgotten when they come no more."""

from uuid import UUID

import pytest

from shared.errors import LeaseLostError, PermanentError
from tests.connectors.databases import DATASET, Postgres, Shop
from tests.connectors.databases import orders as orders_config
from tests.connectors.records import Records

NUL = {"id": 2, "v": "a\0b"}
TABLE = f"{DATASET}.syncline_rejects"


def _lose_at(nth: int) -> object:
    asked = 0

    def confirm() -> None:
        nonlocal asked
        asked += 1
        if asked == nth:
            raise LeaseLostError("Another worker holds the run.")

    return confirm


def test_what_can_be_loaded_lands_and_the_rest_is_kept_counted_and_told(dataset: Postgres) -> None:
    orders = Records(dataset)
    run = orders.run_id
    result = orders.load({"id": 1, "v": "a"}, NUL, {"v": "no key"}, "text")
    assert orders.rows("id, v") == [(1, "a")]
    assert (result.records_processed, result.records_created, result.records_failed) == (4, 1, 3)
    assert result.metadata["streams"] == {"orders": 4}
    reasons = {"nul_character": 1, "key_missing": 1, "not_an_object": 1}
    assert result.metadata["rejected"] == {"orders": reasons}
    assert orders.rejects("reason, detail, record, stream, times") == [
        ("key_missing", "id", '{"v": "no key"}', "orders", 1),
        ("not_an_object", "", '"text"', "orders", 1),
        ("nul_character", "v", '{"id": 2, "v": "a\\u0000b"}', "orders", 1),
    ]
    assert {UUID(row[0]) for row in orders.rejects("run_id::text")} == {run}


def test_a_dataset_without_rejects_has_no_table_of_them(dataset: Postgres) -> None:
    result = Records(dataset).load({"id": 1})
    assert (result.records_failed, result.metadata["rejected"]) == (0, {})
    assert not dataset.has_table(TABLE)


def test_rejects_are_kept_although_no_record_can_be_loaded(dataset: Postgres) -> None:
    orders = Records(dataset)
    result = orders.load(NUL)
    assert (result.records_failed, result.metadata["rejected"]) == (
        1,
        {"orders": {"nul_character": 1}},
    )
    assert orders.rejects("reason") == [("nul_character",)]
    assert not dataset.has_table(f"{DATASET}.orders")


def test_a_record_that_every_run_rejects_stays_one_row(dataset: Postgres) -> None:
    orders = Records(dataset)
    orders.load(NUL)
    dataset.execute(f"UPDATE {TABLE} SET first_rejected_at = now() - interval '40 days'")
    orders.load({"id": 1}, NUL)
    run = orders.run_id
    orders.load(NUL, NUL)
    found = orders.rejects(
        "times, last_rejected_at - first_rejected_at > interval '39 days', run_id::text"
    )
    assert found == [(3, True, str(run))]


def test_a_slice_that_is_done_again_counts_a_record_once(dataset: Postgres) -> None:
    orders = Records(dataset)
    run = orders.run_id
    orders.load({"id": 1}, NUL)
    orders.run_id = run
    orders.load({"id": 1}, NUL)
    assert orders.rejects("times") == [(1,)]


def test_records_of_two_streams_are_told_apart(dataset: Postgres) -> None:
    Records(dataset).load(NUL)
    lines = Records(dataset, stream="lines")
    lines.load(NUL)
    assert lines.rejects("stream, times") == [("lines", 1), ("orders", 1)]


def test_what_no_run_rejected_for_thirty_days_is_forgotten_by_any_load(dataset: Postgres) -> None:
    orders = Records(dataset)
    orders.load(NUL, {"id": 3, "v": "\0"}, {"id": 4, "v": "\0"}, {"id": 5, "v": "\0"})
    dataset.execute(
        f"UPDATE {TABLE} SET last_rejected_at = now() - interval '31 days' WHERE record LIKE"
        " '%: 3,%' OR record LIKE '%: 2,%'",
        f"UPDATE {TABLE} SET last_rejected_at = now() - interval '29 days' WHERE record LIKE"
        " '%: 4,%'",
    )
    orders.load(NUL)
    assert orders.rejects("substr(record, 8, 1), times") == [("2", 2), ("4", 1), ("5", 1)]
    dataset.execute(f"UPDATE {TABLE} SET last_rejected_at = last_rejected_at - interval '2 days'")
    orders.load({"id": 1})
    assert orders.rejects("substr(record, 8, 1)") == [("2",), ("5",)]


def test_a_dataset_keeps_the_newest_rejects_up_to_a_bound(
    dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.dataset import rejects  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(rejects, "MOST_KEPT", 2)
    Records(dataset).load(NUL)
    lines = Records(dataset, stream="lines")
    result = lines.load({"id": 3, "v": "\0"}, {"id": 4, "v": "\0"})
    assert result.records_failed == 2
    assert lines.rejects("stream, substr(record, 8, 1)") == [("lines", "3"), ("lines", "4")]


@pytest.mark.parametrize("records", [({"id": 1}, NUL), (NUL,)])
def test_a_lease_that_is_lost_before_the_commit_leaves_no_reject(
    dataset: Postgres, records: tuple[object, ...]
) -> None:
    orders = Records(dataset)
    for nth in (1, 2):
        with pytest.raises(LeaseLostError):
            orders.load(*records, confirm_lease=_lose_at(nth))  # pyright: ignore[reportArgumentType]
        assert orders.rejects("reason") == []
    orders.load(*records)
    assert len(orders.rejects("reason")) == 1


def test_with_more_than_a_thousand_rejects_nothing_is_loaded_or_kept(dataset: Postgres) -> None:
    orders = Records(dataset)
    orders.load({"id": 1}, {"id": 2})
    pages = [[{"id": 3}], [{"id": number, "v": "\0"} for number in range(1_001)]]
    with pytest.raises(PermanentError, match="More than 1,000 records of orders"):
        orders.load(pages=pages)
    assert orders.rows("id") == [(1,), (2,)]
    assert orders.rejects("reason") == []
    pages[1].pop()
    assert orders.load(pages=pages).records_failed == 1_000
    assert len(orders.rejects("reason")) == 1_000
    assert orders.rows("id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("name", ["syncline_rejects", "Syncline Rejects"])
def test_a_stream_that_would_land_in_the_table_of_rejects_is_refused(
    dataset: Postgres, name: str
) -> None:
    with pytest.raises(PermanentError, match="would land in the table syncline_rejects") as failed:
        Records(dataset, stream=name).load({"id": 1})
    assert failed.value.fault == "settings"
    assert not dataset.has_table(TABLE)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
@pytest.mark.parametrize(
    "rows", ["('infinity')", "('0044-03-15 BC')", "('-infinity'), ('infinity')"]
)
def test_a_key_that_no_calendar_of_ours_has_is_one_reject_and_the_others_land(
    source: Postgres, dataset: Postgres, kind: str, rows: str
) -> None:
    source.execute(
        f"CREATE TABLE orders (id {kind} PRIMARY KEY)",
        f"INSERT INTO orders VALUES {rows}",
        "INSERT INTO orders VALUES ('2024-02-29')",
    )
    config = orders_config(source.url, cursor=None)
    result = Shop(config, dataset).sync()
    assert (result.records_failed, result.records_created) == (rows.count("("), 1)
    assert result.metadata["rejected"] == {"orders": {"time_out_of_range": rows.count("(")}}


def test_a_table_of_which_every_key_is_infinite_lands_as_rejects(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id date PRIMARY KEY)", "INSERT INTO orders VALUES ('infinity')"
    )
    result = Shop(orders_config(source.url, cursor=None), dataset).sync()
    assert (result.records_failed, result.records_created) == (1, 0)
