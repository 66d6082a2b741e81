"""What every dataset promises, whichever a deployment chose."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.local.bigquery.running import running_bigquery
from shared.connectors import runner
from shared.connectors.base import SyncResult
from shared.crash_points import CrashPoint, arm
from shared.errors import LeaseLostError, PermanentError, TransientError
from tests.connectors.databases import DATASET, Postgres, counts, orders
from tests.connectors.datasets import AnyShop

NewShop = Callable[..., AnyShop]


@pytest.fixture(params=["postgresql", "bigquery"])
def dataset_url(request: pytest.FixtureRequest, dataset: Postgres) -> Iterator[str]:
    """Return where records land; in both cases the rows are in `dataset`."""
    if request.param == "postgresql":
        yield dataset.dsn
    else:
        with running_bigquery(dataset.dsn) as running:
            yield running.dataset_url


@pytest.fixture
def new_shop(source: Postgres, dataset: Postgres, dataset_url: str) -> NewShop:
    """Return what makes a connector that reads the table orders of `source`."""
    source.execute(
        "CREATE TABLE orders (id int, changed timestamptz, amount numeric(10,2), note text)",
        "INSERT INTO orders VALUES (1, '2026-01-01', 1.50, 'one'), (2, '2026-01-02', 2.25, 'two')",
    )

    def make(**stream: object) -> AnyShop:
        return AnyShop(orders(source.url, **stream), dataset, dataset_url)

    return make


@pytest.fixture
def disarmed() -> Iterator[None]:
    """Let no crash point stay armed."""
    yield
    arm(None)


def _stop_at(point: CrashPoint, act: Callable[[], None]) -> None:
    """Do this once, when the process comes to the point."""

    def reached(where: CrashPoint) -> None:
        if where is point:
            arm(None)
            act()

    arm(reached)


def _deleted(result: SyncResult) -> Any:
    return result.metadata["records_deleted"]


def test_rows_are_created_once_and_updated_only_when_they_changed(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    assert counts(shop.sync()) == (2, 2, 0)
    source.execute(
        "UPDATE orders SET note = 'TWO', changed = '2026-01-03' WHERE id = 2",
        "INSERT INTO orders VALUES (3, '2026-01-04', 3, NULL)",
    )
    assert counts(shop.sync()) == (2, 1, 1)
    assert counts(shop.sync()) == (1, 0, 0)
    assert [row[:2] for row in shop.loaded("id, note, amount")] == [
        (1, "one"),
        (2, "TWO"),
        (3, None),
    ]


def test_of_two_rows_with_one_key_the_newest_counts(new_shop: NewShop, source: Postgres) -> None:
    source.execute("INSERT INTO orders VALUES (1, '2026-02-01', 9, 'newer'), (1, NULL, 8, 'none')")
    shop = new_shop()
    shop.sync()
    assert shop.loaded("id, note") == [(1, "newer"), (2, "two")]


def test_a_value_that_became_null_is_null(new_shop: NewShop, source: Postgres) -> None:
    shop = new_shop()
    shop.sync()
    source.execute("UPDATE orders SET note = NULL, amount = NULL, changed = '2026-01-05'")
    assert counts(shop.sync()) == (2, 0, 2)
    assert shop.loaded("id, note, amount") == [(1, None, None), (2, None, None)]


def test_a_new_column_appears_and_older_rows_have_nothing_in_it(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ADD colour text",
        "UPDATE orders SET colour = 'red', changed = '2026-01-05' WHERE id = 2",
    )
    result = shop.sync()
    assert shop.loaded("id, colour") == [(1, None), (2, "red")]
    assert result.metadata["schema_changes"][0]["lands_in"] == "colour"  # pyright: ignore[reportIndexIssue]


def test_values_of_another_type_land_beside_the_column_and_those_of_before_stay(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER amount TYPE text USING 'about ' || amount",
        "UPDATE orders SET changed = '2026-01-05' WHERE id = 2",
    )
    shop.sync()
    landed = [
        (float(a) if a else None, text) for _, a, text in shop.loaded("id, amount, amount__v_text")
    ]
    assert landed == [(1.5, None), (None, "about 2.25")]
    source.execute(
        "ALTER TABLE orders ALTER amount TYPE numeric(10,2) USING 7",
        "UPDATE orders SET changed = '2026-01-06' WHERE id = 2",
    )
    shop.sync()
    assert [(int(a), text) for _, a, text in shop.loaded("id, amount, amount__v_text")] == [
        (1, None),
        (7, None),
    ]


def test_a_wider_number_widens_the_column(new_shop: NewShop, source: Postgres) -> None:
    source.execute("ALTER TABLE orders ADD stock int", "UPDATE orders SET stock = id")
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER stock TYPE numeric",
        "UPDATE orders SET stock = 2.5, changed = '2026-01-05' WHERE id = 2",
    )
    shop.sync()
    assert [float(stock) for _, stock in shop.loaded("id, stock")] == [1.0, 2.5]


def test_a_key_that_cannot_be_held_exactly_ends_the_run(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop()
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER id TYPE text USING 'a' || id",
        "UPDATE orders SET changed = '2026-01-05'",
    )
    with pytest.raises(PermanentError, match=r"cannot hold every value exactly.*primary key"):
        shop.sync()
    assert [row[0] for row in shop.loaded("id, note")] == [1, 2]


def test_a_table_that_somebody_dropped_is_not_made_again_behind_a_watermark(
    new_shop: NewShop, dataset: Postgres, dataset_url: str
) -> None:
    shop = new_shop()
    shop.sync()
    _drop(dataset, dataset_url, "orders")
    with pytest.raises(PermanentError, match="The dataset's table orders is gone"):
        shop.sync()


def test_a_full_refresh_deletes_what_the_source_has_no_more(
    new_shop: NewShop, source: Postgres
) -> None:
    source.execute("INSERT INTO orders SELECT n, now(), n, 'more' FROM generate_series(3, 10) AS n")
    shop = new_shop(cursor=None)
    assert counts(shop.sync()) == (10, 10, 0)
    source.execute("DELETE FROM orders WHERE id IN (2, 5)")
    result = shop.sync()
    assert (_deleted(result), counts(result)) == (2, (8, 0, 0))
    assert [row[0] for row in shop.loaded("id, note")] == [1, 3, 4, 6, 7, 8, 9, 10]


def test_a_full_refresh_in_slices_deletes_at_its_end_alone(
    new_shop: NewShop, source: Postgres, small_pages: int
) -> None:
    source.execute("INSERT INTO orders SELECT n, now(), n, 'more' FROM generate_series(3, 10) AS n")
    shop = new_shop(cursor=None)
    shop.sync_in_slices()
    source.execute("DELETE FROM orders WHERE id IN (2, 5)")
    deleted = list(map(_deleted, shop.sync_in_slices()))
    assert (deleted[:-1], deleted[-1]) == ([0] * (len(deleted) - 1), 2)
    assert len(deleted) > 1
    assert len(shop.loaded("id, note")) == 8


def test_an_empty_source_empties_the_table_only_at_the_second_look(
    new_shop: NewShop, source: Postgres
) -> None:
    shop = new_shop(cursor=None)
    shop.sync()
    source.execute("DELETE FROM orders")
    held = shop.sync()
    assert (held.metadata["records_held"], len(shop.loaded("id, note"))) == (2, 2)
    assert _deleted(shop.sync()) == 2
    assert shop.loaded("id, note") == []


def test_a_record_that_cannot_be_loaded_is_kept_with_its_reason_and_the_others_land(
    source: Postgres, dataset: Postgres, dataset_url: str
) -> None:
    source.execute(
        "CREATE TABLE orders (id text, changed timestamptz, note text)",
        f"INSERT INTO orders VALUES ('{'x' * 3_000}', '2026-01-01', 'long')",
        "INSERT INTO orders VALUES ('b', '2026-01-02', 'ok')",
    )
    shop = AnyShop(orders(source.url), dataset, dataset_url)
    result = shop.sync()
    assert (counts(result), result.records_failed) == ((2, 1, 0), 1)
    shop.watermarks.clear()
    shop.sync()
    rejects = dataset.rows(f"SELECT stream, reason, times FROM {DATASET}.syncline_rejects")
    assert rejects == [("orders", "key_too_long", 2)]
    assert shop.loaded("id, note") == [("b", "ok")]


def test_a_rejected_record_is_not_taken_for_one_that_the_source_has_no_more(
    source: Postgres, dataset: Postgres, dataset_url: str
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, data jsonb, note text)",
        "INSERT INTO orders SELECT n, NULL, 'note' FROM generate_series(1, 5) AS n",
    )
    shop = AnyShop(orders(source.url, cursor=None), dataset, dataset_url)
    shop.sync()
    source.execute(
        "DELETE FROM orders WHERE id = 5", f"UPDATE orders SET note = '{chr(0xF026)}' WHERE id = 4"
    )
    result = shop.sync()
    assert (result.records_failed, _deleted(result)) == (1, 1)
    assert [row[0] for row in shop.loaded("id, note")] == [1, 2, 3, 4]


def test_a_lease_that_is_lost_writes_nothing(new_shop: NewShop) -> None:
    shop = new_shop()
    asked = 0

    def lose() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise LeaseLostError("Another worker holds the run.")

    with pytest.raises(LeaseLostError):
        shop.sync(lose)
    result = shop.sync()
    assert counts(result) == (2, 2, 0)


@pytest.mark.usefixtures("disarmed")
@pytest.mark.parametrize("point", [CrashPoint.MERGED, CrashPoint.LOADED])
def test_a_crash_behind_the_merge_is_repeated_without_a_change(
    new_shop: NewShop, point: CrashPoint
) -> None:
    shop = new_shop()

    def crash() -> None:
        raise KeyboardInterrupt

    _stop_at(point, crash)
    with pytest.raises(KeyboardInterrupt):
        shop.sync()
    assert counts(shop.sync()) == (2, 0, 0)
    assert len(shop.loaded("id, note")) == 2


@pytest.mark.usefixtures("disarmed")
@pytest.mark.parametrize("point", [CrashPoint.TURN_TAKEN, CrashPoint.STAGED])
def test_a_crash_before_the_merge_leaves_nothing_in_the_way(
    new_shop: NewShop, point: CrashPoint
) -> None:
    shop = new_shop()

    def crash() -> None:
        raise KeyboardInterrupt

    _stop_at(point, crash)
    with pytest.raises(KeyboardInterrupt):
        shop.sync()
    assert counts(shop.sync()) == (2, 2, 0)


@pytest.mark.usefixtures("disarmed")
@pytest.mark.parametrize("point", [CrashPoint.TURN_TAKEN, CrashPoint.STAGED])
def test_a_worker_that_lost_its_run_cannot_write_over_the_next(
    new_shop: NewShop, source: Postgres, monkeypatch: pytest.MonkeyPatch, point: CrashPoint
) -> None:
    monkeypatch.setitem(runner.run_streams.__kwdefaults__, "load_wait", timedelta(milliseconds=100))
    shop = new_shop()
    holder = "old"

    def confirm_old() -> None:
        if holder != "old":
            raise LeaseLostError("Another worker holds the run.")

    def be_replaced() -> None:
        nonlocal holder
        holder = "new"
        source.execute("UPDATE orders SET note = 'new', changed = '2026-03-01'")
        assert counts(shop.sync()) == (2, 2, 0)

    _stop_at(point, be_replaced)
    with pytest.raises((LeaseLostError, TransientError)):
        shop.sync(confirm_old)
    assert shop.loaded("id, note") == [(1, "new"), (2, "new")]


def _drop(dataset: Postgres, dataset_url: str, table: str) -> None:
    dataset.execute(f"DROP TABLE {DATASET}.{table}")
    if dataset_url.startswith("bigquery"):
        dataset.execute(f"DELETE FROM emulator.tables WHERE name = '{table}'")
