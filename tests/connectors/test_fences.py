"""A loader that was frozen past its lease loads nothing, and takes nothing from the next one.

The tables have no cursor, so that of two rows with one key neither is newer: whatever the frozen
loader brought would stay.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep

import pytest

from shared.crash_points import CrashPoint, arm
from tests.connectors.databases import DATASET, Postgres, Shop, counts, tables
from tests.connectors.fences import CONFIRMED, FrozenLoader, Lease, frozen_loader

TABLES = ("orders", "lines")
NEW = [(2, "new"), (3, "new"), (4, "new")]
# The lease is confirmed when the turn has come, and then before each commit.
BEFORE_ANY_MERGE = [("read", 1), ("turn_taken", 1), ("staged", 1), (CONFIRMED, 2)]
AFTER_ONE_MERGE = [("merged", 1), ("staged", 2), (CONFIRMED, 3)]
LOST = ("lease_lost", "dataset_unavailable")
OF_LOADS = "pg_stat_activity WHERE application_name = 'syncline' AND datname = current_database()"
DROP_TURN = f"SELECT pg_terminate_backend(pid) FROM {OF_LOADS}"


@pytest.fixture
def shop(source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return a connector of two tables whose loads do not wait long for their turn."""
    from shared.connectors import runner  # noqa: PLC0415 (dlt is slow to import)

    short = timedelta(milliseconds=100)
    defaults = {**runner.run_streams.__kwdefaults__, "load_wait": short}
    monkeypatch.setattr(runner.run_streams, "__kwdefaults__", defaults)
    for table in TABLES:
        source.execute(
            f"CREATE TABLE {table} (id int PRIMARY KEY, name text)",
            f"INSERT INTO {table} SELECT n, 'old' FROM generate_series(1, 3) n",
        )
    return Shop(tables(source.url, *TABLES), dataset)


@contextmanager
def _frozen(source: Postgres, shop: Shop, point: str, nth: int) -> Generator[FrozenLoader]:
    """Freeze a loader of the rows as they are, then change them and let its lease go."""
    with frozen_loader(shop, point, nth) as loader:
        for table in TABLES:
            source.execute(
                f"UPDATE {table} SET name = 'new'",
                f"DELETE FROM {table} WHERE id = 1",
                f"INSERT INTO {table} VALUES (4, 'new')",
            )
        Lease(shop.dataset, fence=2).take()
        yield loader


def _loaded(shop: Shop) -> list[list[tuple[object, ...]]]:
    return [
        shop.loaded("id, name", table) if shop.dataset.has_table(f"{DATASET}.{table}") else []
        for table in TABLES
    ]


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(("point", "nth"), BEFORE_ANY_MERGE)
def test_after_another_load_a_frozen_loader_loads_nothing(
    source: Postgres, dataset: Postgres, shop: Shop, point: str, nth: int, dropped: bool
) -> None:
    with _frozen(source, shop, point, nth) as loader:
        if dropped:
            dataset.execute(DROP_TURN)
        shop.sync(Lease(dataset, fence=2).confirm)
        assert _loaded(shop) == [NEW, NEW]
        assert loader.thaw() in LOST
    assert _loaded(shop) == [NEW, NEW]


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(("point", "nth"), AFTER_ONE_MERGE)
def test_what_a_loader_merged_before_it_was_frozen_the_next_load_puts_right(
    source: Postgres, dataset: Postgres, shop: Shop, point: str, nth: int, dropped: bool
) -> None:
    with _frozen(source, shop, point, nth) as loader:
        if dropped:
            dataset.execute(DROP_TURN)
        shop.sync(Lease(dataset, fence=2).confirm)
        # The row that is gone from the source was merged while the lease was held.
        assert _loaded(shop) == [NEW, NEW]
        # The table that it merged makes a sync of it, which nobody without the lease can record.
        assert loader.thaw() in (*LOST, "loaded")
    assert _loaded(shop) == [NEW, NEW]


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize(("point", "nth"), BEFORE_ANY_MERGE)
def test_thawed_in_the_midst_of_another_load_it_neither_takes_from_it_nor_adds_to_it(
    source: Postgres, dataset: Postgres, shop: Shop, point: str, nth: int, dropped: bool
) -> None:
    told: list[str] = []
    with _frozen(source, shop, point, nth) as loader:
        if dropped:
            dataset.execute(DROP_TURN)

        def thaw(reached: CrashPoint) -> None:
            if reached is CrashPoint.STAGED and not told:
                told.append(loader.thaw())

        arm(thaw)
        try:
            result = shop.sync(Lease(dataset, fence=2).confirm)
        finally:
            arm(None)
    assert told[0] in (*LOST, "dataset_busy")
    assert counts(result) == (6, 6, 0)
    assert _loaded(shop) == [NEW, NEW]


@pytest.mark.parametrize(("point", "nth"), BEFORE_ANY_MERGE[:3])
def test_a_loader_whose_lease_went_to_one_that_loads_later_loads_nothing(
    source: Postgres, shop: Shop, point: str, nth: int
) -> None:
    with _frozen(source, shop, point, nth) as loader:
        assert loader.thaw() == "lease_lost"
    assert _loaded(shop) == [[], []]


@pytest.mark.parametrize(("point", "nth"), AFTER_ONE_MERGE[:2])
def test_of_several_tables_none_is_merged_after_the_lease_went(
    source: Postgres, shop: Shop, point: str, nth: int
) -> None:
    with _frozen(source, shop, point, nth) as loader:
        merged = _loaded(shop)
        assert sorted(map(len, merged)) == [0, 3]
        assert loader.thaw() == "lease_lost"
    assert _loaded(shop) == merged


def test_a_transaction_that_stands_still_is_undone_even_when_nobody_wants_the_turn(
    source: Postgres, dataset: Postgres, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.connectors.dataset import postgres as dataset_module  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(dataset_module, "_IDLE_SECONDS", 1)
    with _frozen(source, shop, CONFIRMED, 2) as loader:
        deadline = monotonic() + 60
        while dataset.rows(f"SELECT pid FROM {OF_LOADS}"):
            assert monotonic() < deadline, "the transaction is still open"
            sleep(0.05)
        assert loader.thaw() == "dataset_unavailable"
    assert _loaded(shop) == [[], []]


def test_a_loader_that_kept_its_lease_goes_on_after_it_was_frozen(shop: Shop) -> None:
    with frozen_loader(shop, "staged") as loader:
        assert loader.thaw() == "loaded"
    assert [len(rows) for rows in _loaded(shop)] == [3, 3]
