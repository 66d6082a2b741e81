"""A table that cannot be read is its own trouble: the others land, and the failure is named."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.connectors.base import SyncResult
from shared.connectors.database import source as source_module
from shared.connectors.database import sync
from shared.connectors.progress import StreamProgress
from shared.domain.fault import Fault
from shared.errors import LeaseLostError, PermanentError, TransientError
from tests.connectors.databases import (
    DATASET,
    PASSWORD,
    MariaDb,
    Postgres,
    Shop,
    counts,
    never_has_time,
    tables,
)

TABLES = ("orders", "lines", "stock")


def _shop(source: Postgres, dataset: Postgres, *present: str, view: str = "") -> Shop:
    for name in present:
        source.execute(
            f"CREATE TABLE {name} (id int PRIMARY KEY, changed int)",
            f"INSERT INTO {name} SELECT n, n FROM generate_series(1, 5) n",
        )
    if view:
        source.execute(view)
    streams = [{"table": name, "primary_key": ["id"], "cursor": "changed"} for name in TABLES]
    return Shop({"url": source.url, "streams": streams}, dataset)


def _failures(result: SyncResult) -> dict[str, tuple[type[Exception], str | None]]:
    return {one.stream: (type(one.error), one.error.fault) for one in result.failures}


BROKEN_IN_THE_MIDDLE = "CREATE VIEW lines AS SELECT id, changed, 1 / (id - 4) AS share FROM base"
"""Its rows can be read one by one in the order of an index, until the fourth."""


@pytest.mark.parametrize("missing", TABLES)
def test_a_table_that_is_gone_does_not_keep_the_others_from_landing(
    source: Postgres, dataset: Postgres, missing: str
) -> None:
    present = [name for name in TABLES if name != missing]
    shop = _shop(source, dataset, *present)
    result = shop.sync()
    assert _failures(result) == {missing: (PermanentError, Fault.NOT_FOUND)}
    assert (counts(result), result.positions) == ((10, 10, 0), None)
    assert {mark.stream for mark in result.watermarks} == set(present)
    for name in present:
        assert len(shop.loaded("id, changed", name)) == 5


def test_if_no_table_can_be_read_the_sync_fails(source: Postgres, dataset: Postgres) -> None:
    with pytest.raises(PermanentError, match="no such table"):
        _shop(source, dataset).sync()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("{}", "refused the login"),
        ("{}_gone", "no such database|refused the login"),
        ("mariadb://reader@127.0.0.1:1/shop", "cannot be reached"),
        ("mariadb://reader@169.254.169.254/shop", "may not reach"),
    ],
)
def test_a_server_that_cannot_be_reached_is_not_asked_once_a_table(
    mariadb: MariaDb, dataset: Postgres, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    streams = [{"table": name, "primary_key": ["id"]} for name in TABLES]
    config = {"url": url.format(mariadb.url), "password": f"not {PASSWORD}", "streams": streams}
    with pytest.raises((PermanentError, TransientError), match=words):
        Shop(config, dataset).sync()
    assert _opened(monkeypatch, Shop(config, dataset)) == ["orders"]


def test_a_database_that_is_not_there_is_not_asked_for_once_a_table(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tables(source.url.rpartition("/")[0] + "/nosuch", *TABLES), dataset)
    assert _opened(monkeypatch, shop) == ["orders"]


def _opened(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> list[str]:
    """Sync what cannot be synced, and return the tables that were asked for."""
    opened: list[str] = []

    def opening(source: Any, config: Any, *more: Any) -> Any:
        opened.append(config.table)
        return source_module.table_stream(source, config, *more)

    monkeypatch.setattr(sync, "table_stream", opening)
    with pytest.raises((PermanentError, TransientError)):
        shop.sync()
    return opened


@pytest.mark.usefixtures("small_pages")
def test_what_came_before_a_record_that_cannot_be_read_is_loaded(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(
        "CREATE TABLE base (id int, changed int, PRIMARY KEY (changed, id))",
        "INSERT INTO base SELECT n, n FROM generate_series(1, 6) n",
    )
    shop = _shop(source, dataset, "orders", "stock", view=BROKEN_IN_THE_MIDDLE)
    name = source.url.rpartition("/")[2]
    source.execute(f"ALTER DATABASE {name} SET enable_seqscan = off")  # or it sorts them first
    try:
        first = shop.sync()
    finally:
        source.execute(f"ALTER DATABASE {name} RESET enable_seqscan")
    assert _failures(first) == {"lines": (PermanentError, Fault.SCHEMA)}
    assert shop.loaded("id, changed", "lines") == [(1, 1), (2, 2), (3, 3)]
    second = shop.sync()
    assert (counts(second), second.positions) == ((0, 0, 0), None)
    assert _failures(second) == {"lines": (PermanentError, Fault.SCHEMA)}
    source.execute("DROP VIEW lines", BROKEN_IN_THE_MIDDLE.replace("id - 4", "id - 99"))
    shop.sync()
    assert len(shop.loaded("id, changed", "lines")) == 6


@pytest.mark.usefixtures("small_pages")
def test_a_source_that_breaks_off_again_and_again_gets_on(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int)",
        "INSERT INTO orders SELECT n, n FROM generate_series(1, 10) n",
    )
    stream = {"table": "orders", "primary_key": ["id"], "cursor": "changed"}
    shop = Shop({"url": source.url, "streams": [stream]}, dataset)
    _break_off_after_a_page(monkeypatch)
    results = shop.sync_in_slices()
    assert [counts(result)[0] for result in results] == [3, 3, 3, 1]
    assert [_failures(result) for result in results[:-1]] == [
        {"orders": (TransientError, Fault.UNAVAILABLE)}
    ] * 3
    assert [result.trouble for result in results] == [None] * 4
    assert len(shop.loaded("id, changed")) == 10


def test_a_table_that_fails_for_a_while_is_tried_again_alone(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(source, dataset, *TABLES)
    with monkeypatch.context() as patched:
        _fail(patched, "lines", TransientError("away", fault=Fault.TIMEOUT))
        first = shop.sync()
    assert (counts(first), str(first.trouble)) == ((10, 10, 0), "away")
    assert first.positions is not None
    source.execute("UPDATE orders SET changed = 99")
    assert shop.sync().metadata["streams"] == {"lines": 5}
    assert shop.sync().metadata["streams"] == {"orders": 5, "lines": 1, "stock": 1}


def test_tables_after_one_that_the_provider_throttles_are_left_until_later(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(source, dataset, *TABLES)
    _fail(monkeypatch, "lines", TransientError("too many", fault=Fault.RATE_LIMITED))
    result = shop.sync()
    assert result.metadata["streams"] == {"orders": 5}
    assert list(_failures(result)) == ["lines", "stock"]
    assert result.trouble is result.failures[0].error


def test_a_table_that_has_more_goes_on_at_once_although_another_failed_for_a_while(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch, small_pages: None
) -> None:
    shop = _shop(source, dataset, *TABLES)
    _fail(monkeypatch, "orders", TransientError("away", fault=Fault.TIMEOUT))
    answers = iter([True, False, False])
    result = shop.sync(has_time=lambda: next(answers))
    assert result.metadata["streams"] == {"lines": 3}
    assert (list(_failures(result)), result.trouble) == (["orders"], None)


def test_a_lost_lease_is_nobodys_trouble_and_ends_everything(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(source, dataset, *TABLES)
    _fail(monkeypatch, "lines", LeaseLostError("Another worker holds the run."))
    with pytest.raises(LeaseLostError):
        shop.sync()


def _fail(monkeypatch: pytest.MonkeyPatch, table: str, error: Exception) -> None:
    """Let one table fail when its pages are read."""
    original = source_module.TableReading.pages

    def pages(self: Any, engine: Any) -> Iterator[Any]:
        if self.config.table == table:
            raise error
        yield from original(self, engine)

    monkeypatch.setattr(source_module.TableReading, "pages", pages)


def _break_off_after_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the connection to the source end whenever a second page is asked for."""

    def goes_on(_progress: StreamProgress) -> bool:
        raise TransientError("it broke off", fault=Fault.UNAVAILABLE)

    monkeypatch.setattr(StreamProgress, "goes_on", goes_on)


def _take_all_the_time_and_fail(monkeypatch: pytest.MonkeyPatch, *tables: str) -> list[str]:
    """Let these tables read a page, and fail; return the order in which tables are read."""
    original, tried = source_module.TableReading.pages, []

    def pages(self: Any, engine: Any) -> Iterator[Any]:
        tried.append(self.config.table)
        if self.config.table in tables:
            raise PermanentError(f"{self.config.table} is broken.", fault=Fault.SCHEMA)
        yield from original(self, engine)

    monkeypatch.setattr(source_module.TableReading, "pages", pages)
    return tried


def test_a_table_that_fails_for_all_of_a_slice_lets_the_others_go_first_in_the_next(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(source, dataset, *TABLES)
    tried = _take_all_the_time_and_fail(monkeypatch, "orders")
    results = shop.sync_in_slices(has_time=never_has_time)
    assert tried == ["orders", "lines", "stock"]
    assert results[-1].positions is None
    assert list(_failures(results[-1])) == ["orders"]
    assert str(results[-1].failures[0].error) == "orders is broken."
    for name in ("lines", "stock"):
        assert len(shop.loaded("id, changed", name)) == 5


def test_a_run_of_which_all_tables_fail_ends(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(source, dataset, *TABLES)
    _take_all_the_time_and_fail(monkeypatch, *TABLES)
    with pytest.raises(PermanentError, match="is broken"):
        shop.sync_in_slices(has_time=never_has_time)


def test_the_pause_that_a_provider_asked_for_is_the_runs(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = _shop(source, dataset, *TABLES)
    pause = timedelta(minutes=10)
    errors = {
        "orders": TransientError("away", fault=Fault.TIMEOUT),
        "lines": TransientError("too many", fault=Fault.RATE_LIMITED, retry_after=pause),
    }
    original = source_module.TableReading.pages

    def pages(self: Any, engine: Any) -> Iterator[Any]:
        if self.config.table in errors:
            raise errors[self.config.table]
        yield from original(self, engine)

    monkeypatch.setattr(source_module.TableReading, "pages", pages)
    with pytest.raises(TransientError) as raised:
        shop.sync()
    assert raised.value.retry_after == pause


def test_tables_that_would_share_one_of_the_dataset_are_refused(
    source: Postgres, dataset: Postgres
) -> None:
    names = ("OrderLines", "order_lines", "stock")
    for name in names:
        source.execute(f'CREATE TABLE "{name}" (id int PRIMARY KEY)')
        source.execute(f'INSERT INTO "{name}" VALUES (1)')
    shop = Shop(tables(source.url, *names), dataset)
    result = shop.sync()
    assert set(_failures(result)) == {"OrderLines", "order_lines"}
    assert result.metadata["streams"] == {"stock": 1}


def test_a_table_with_the_longest_of_names_has_a_name_that_can_be_recorded(
    source: Postgres, dataset: Postgres
) -> None:
    name = "LongNames" * 7
    source.execute(f'CREATE TABLE "{name}" (id int PRIMARY KEY)')
    source.execute(f'INSERT INTO "{name}" VALUES (1)')
    result = Shop(tables(source.url, name), dataset).sync()
    assert len(result.finished[name]) == 63
    assert dataset.has_table(f"{DATASET}.{result.finished[name]}")


@pytest.mark.usefixtures("small_pages")
def test_a_sibling_is_not_lost_when_the_slice_that_owes_it_breaks_off(
    source: Postgres, dataset: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed int)",
        "INSERT INTO orders SELECT n + 10, n FROM generate_series(1, 9) n",
    )
    stream = {"table": "orders", "primary_key": ["id"], "cursor": "changed"}
    shop = Shop({"url": source.url, "streams": [stream]}, dataset)
    shop.sync(has_time=never_has_time)
    source.execute("INSERT INTO orders VALUES (1, 3)")
    with monkeypatch.context() as patched:
        _break_off_after_a_page(patched)
        shop.sync()
    shop.sync_in_slices()
    assert len(shop.loaded("id, changed")) == 10
