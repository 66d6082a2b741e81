"""A sync whose connections are cut ends at once, whatever it waits for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.errors import TransientError
from tests.connectors.databases import (
    DATASET,
    PASSWORD,
    MariaDb,
    Postgres,
    Shop,
    hold_lease,
    orders,
)
from tests.connectors.gates import Waits, gated_mariadb_view, gated_table, gated_view, wait_until

SECONDS = 30
OF_SYNCS = (
    "SELECT 1 FROM pg_stat_activity"
    " WHERE application_name = 'syncline' AND datname IN ('connector_source', 'connector_dataset')"
)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Return a thread for a sync. It outlives the gates, so that none waits for ever."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def _code_when_cut(pool: ThreadPoolExecutor, shop: Shop, waits: Waits) -> str:
    """Return the code of what a sync raises when it is cut while it waits."""
    request = shop.request()
    sync = pool.submit(shop.type.sync, request, hold_lease)
    wait_until(waits)
    request.lines.cut()
    with pytest.raises(TransientError) as raised:
        sync.result(SECONDS)
    return raised.value.code


def test_it_does_not_wait_for_a_slow_view(
    pool: ThreadPoolExecutor, source: Postgres, dataset: Postgres
) -> None:
    with gated_view(source) as waits:
        shop = Shop(orders(source.url), dataset)
        assert _code_when_cut(pool, shop, waits) == "source_unavailable"


def test_it_does_not_wait_for_a_slow_view_of_mariadb(
    pool: ThreadPoolExecutor, mariadb: MariaDb, dataset: Postgres
) -> None:
    with gated_mariadb_view(mariadb) as waits:
        shop = Shop(orders(mariadb.url, password=PASSWORD), dataset)
        assert _code_when_cut(pool, shop, waits) == "source_unavailable"


def test_it_does_not_wait_for_a_lock_in_the_dataset(
    pool: ThreadPoolExecutor, source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int)", "INSERT INTO orders VALUES (1, 1)"
    )
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    source.execute("UPDATE orders SET changed = 2")
    with gated_table(dataset, f"{DATASET}.orders") as waits:
        assert _code_when_cut(pool, shop, waits) == "dataset_unavailable"
    assert shop.loaded("id, changed") == [(1, 1)]


@pytest.mark.parametrize("of", ["source", "dataset"])
def test_postgresql_does_not_go_on_with_what_nobody_waits_for(
    pool: ThreadPoolExecutor,
    source: Postgres,
    dataset: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    of: str,
) -> None:
    from shared.connectors.database import engine  # noqa: PLC0415
    from shared.connectors.dataset import turn  # noqa: PLC0415 (dlt is slow to import)

    soon = timedelta(milliseconds=100)
    monkeypatch.setattr(turn, "ORPHAN", soon)
    monkeypatch.setattr(engine, "_END_ORPHANS", "SET client_connection_check_interval = '100ms'")
    if of == "source":
        with gated_view(source) as waits:
            _code_when_cut(pool, Shop(orders(source.url), dataset), waits)
            wait_until(lambda: not source.rows(OF_SYNCS))
        return
    source.execute("CREATE TABLE orders AS SELECT 1 AS id, 1 AS changed")
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    with gated_table(dataset, f"{DATASET}.orders") as waits:
        _code_when_cut(pool, shop, waits)
        wait_until(lambda: not dataset.rows(OF_SYNCS))


def test_a_sync_that_was_cut_before_it_began_reads_nothing(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute("CREATE TABLE orders AS SELECT 1 AS id, 1 AS changed")
    shop = Shop(orders(source.url), dataset)
    request = shop.request()
    request.lines.cut()
    with pytest.raises(TransientError):
        shop.type.sync(request, hold_lease)
    assert not dataset.has_table(f"{DATASET}.orders")
