"""What every dataset promises of what is gone, what cannot be loaded, and who is killed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.connectors import runner
from shared.connectors.base import SyncResult
from shared.connectors.dataset import guard
from shared.crash_points import CrashPoint, arm
from shared.errors import LeaseLostError, TransientError
from tests.connectors.databases import DATASET, Postgres, counts, orders
from tests.connectors.datasets import AnyShop, NewShop
from tests.connectors.records import Records


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


def test_a_second_look_that_finds_much_more_gone_is_a_first_one(
    dataset: Postgres, dataset_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "FEW_ROWS", 10)
    records = Records(dataset, is_whole=True, dataset_url=dataset_url)
    records.load(*[{"id": number} for number in range(20)])
    held = [records.load(*[{"id": number} for number in range(9)])]
    held += [records.load(), records.load(has_more=True), records.load()]
    assert [one.metadata["records_held"] for one in held] == [11, 20, 0, 0]
    assert [_deleted(one) for one in held] == [0, 0, 0, 20]


def test_nearly_all_of_a_small_table_waits_and_one_row_of_two_does_not(
    dataset: Postgres, dataset_url: str
) -> None:
    records = Records(dataset, is_whole=True, dataset_url=dataset_url)
    records.load(*[{"id": number} for number in range(30)])
    held = records.load({"id": 1})
    assert (held.metadata["records_held"], _deleted(records.load({"id": 1}))) == (29, 29)
    records.load({"id": 1}, {"id": 2})
    assert _deleted(records.load({"id": 2})) == 1


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
@pytest.mark.parametrize(
    ("point", "landing"),
    [
        (CrashPoint.TURN_TAKEN, 2),
        (CrashPoint.STAGED, 2),
        (CrashPoint.MERGED, 0),
        (CrashPoint.LOADED, 0),
    ],
)
def test_what_did_not_land_before_a_crash_lands_after_it_and_nothing_twice(
    new_shop: NewShop, point: CrashPoint, landing: int
) -> None:
    shop = new_shop()

    def crash() -> None:
        raise KeyboardInterrupt

    _stop_at(point, crash)
    with pytest.raises(KeyboardInterrupt):
        shop.sync()
    assert counts(shop.sync()) == (2, landing, 0)
    assert len(shop.loaded("id, note")) == 2


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
