"""A load happens only with the lease, one at a time, and leaves nothing behind."""

import logging
import socket
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.connectors.base import SyncResult
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError
from tests.connectors.databases import DATASET, PASSWORD, Postgres, Shop, counts, orders
from tests.connectors.records import Records

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed int)"
ROWS = "INSERT INTO orders SELECT n, 'n' || n, n FROM generate_series(1, 3) n"


class _Lease:
    """A lease that is lost at its `last`-th confirmation, counted from one."""

    def __init__(self, last: int) -> None:
        self.asked = 0
        self._last = last

    def confirm(self) -> None:
        self.asked += 1
        if self.asked == self._last:
            raise LeaseLostError("Another worker holds the run.")


def test_the_lease_is_confirmed_before_the_load_and_before_each_commit(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    lease = _Lease(last=0)
    Shop(orders(source.url), dataset).sync(lease.confirm)
    assert lease.asked == 2


def test_a_lease_lost_before_the_load_leaves_the_dataset_untouched(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url), dataset)
    with pytest.raises(LeaseLostError):
        shop.sync(_Lease(last=1).confirm)
    assert shop.watermarks == {}
    assert not dataset.has_table(f"{DATASET}.orders")


def test_a_lease_lost_during_the_merge_undoes_the_merge(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    before, watermarks = shop.loaded("id, name"), dict(shop.watermarks)
    source.execute("UPDATE orders SET name = 'changed', changed = 9")
    with pytest.raises(LeaseLostError):
        shop.sync(_Lease(last=2).confirm)
    assert (shop.loaded("id, name"), shop.watermarks) == (before, watermarks)
    assert counts(shop.sync()) == (3, 0, 3)


def test_the_lease_is_confirmed_in_the_thread_that_syncs(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, ROWS)
    threads: set[int] = set()
    Shop(orders(source.url), dataset).sync(lambda: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_two_loads_of_one_connector_never_overlap(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url), dataset)
    start = threading.Barrier(2, timeout=60)
    loading = threading.Semaphore(1)

    def sync(_number: int) -> SyncResult:
        confirmed = 0

        def confirm() -> None:
            nonlocal confirmed
            confirmed += 1
            if confirmed == 1:
                assert loading.acquire(blocking=False), "another load is under way"
                _wait_for_other_load(dataset)
            else:
                loading.release()

        start.wait()
        return shop.type.sync(shop.request(), confirm)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(sync, range(2)))
    assert sorted(counts(result) for result in results) == [(3, 0, 0), (3, 3, 0)]
    assert len(shop.loaded("id, name")) == 3


def _wait_for_other_load(dataset: Postgres) -> None:
    """Wait until another load waits for its turn; the second to load finds the first's index."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'syncline' AND datname ="
        " current_database() OFFSET 1"
    )
    loaded = f"SELECT 1 FROM pg_indexes WHERE schemaname = '{DATASET}'"
    deadline = time.monotonic() + 30
    while not dataset.rows(waiting) and not dataset.rows(loaded):
        assert time.monotonic() < deadline, "the other load did not wait for its turn"
        time.sleep(0.02)


def test_nothing_is_left_in_temporary_folders_or_the_home_folder(
    source: Postgres,
    dataset: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary, home = tmp_path / "tmp", tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    source.execute(TABLE, ROWS)
    shop = Shop(orders(source.url), dataset)
    shop.sync()
    for last in (1, 2):
        with pytest.raises(LeaseLostError):
            shop.sync(_Lease(last).confirm)
    with pytest.raises(PermanentError):
        Shop(orders(source.url, table="nosuch"), dataset).sync()
    assert [*temporary.iterdir(), *home.iterdir()] == []


def test_no_staging_table_stays(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, ROWS)
    Shop(orders(source.url), dataset).sync()
    assert not dataset.has_table(f"{DATASET}_staging.orders")


def test_settings_of_dlt_in_the_environment_or_the_folder_change_nothing(
    source: Postgres, dataset: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text('[schema]\nnaming = "direct"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SCHEMA__NAMING", "direct")
    source.execute(
        'CREATE TABLE "Orders" ("Id" int PRIMARY KEY)', 'INSERT INTO "Orders" VALUES (1)'
    )
    shop = Shop(orders(source.url, table="Orders", primary_key=["Id"], cursor=None), dataset)
    shop.sync()
    assert shop.loaded("id, _dlt_load_id IS NULL") == [(1, False)]
    assert not (tmp_path / "data").exists()


def test_a_missing_table_column_or_database_is_a_permanent_error(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE)
    url = source.url
    for config, words in (
        (orders(url, table="nosuch"), "no such table"),
        (orders(url, schema="nosuch"), "no such table"),
        (orders(url, cursor="nosuch"), "has no column nosuch"),
        (orders(url, primary_key=["nosuch"]), "has no column nosuch"),
        (orders(url.rpartition("/")[0] + "/nosuch"), "no such database"),
    ):
        with pytest.raises(PermanentError, match=words) as failed:
            Shop(config, dataset).sync()
        assert failed.value.code == "configuration"


def test_a_login_or_permission_that_is_refused_is_an_authorization_error(
    source: Postgres, dataset: Postgres
) -> None:
    source.execute(TABLE, "DROP ROLE IF EXISTS outsider", "CREATE ROLE outsider LOGIN")
    try:
        with pytest.raises(PermanentError, match="does not permit") as failed:
            Shop(orders(source.url.replace("postgres@", "outsider@")), dataset).sync()
        assert failed.value.code == "authorization"
        with pytest.raises(PermanentError, match="refused the login") as failed:
            Shop(orders(source.url.replace("postgres@", "nobody@")), dataset).sync()
        assert failed.value.code == "authorization"
    finally:
        source.execute("DROP ROLE outsider")


@pytest.mark.parametrize(
    ("host", "words"), [("127.0.0.1:1", "cannot be reached"), ("no.such.host.invalid", "resolved")]
)
def test_a_source_that_cannot_be_reached_is_a_transient_error(
    dataset: Postgres, host: str, words: str
) -> None:
    with pytest.raises(TransientError, match=words):
        Shop(orders(f"postgresql://reader@{host}/shop"), dataset).sync()


def test_a_source_that_hangs_up_is_a_transient_error(dataset: Postgres) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(TransientError) as failed:
            Shop(orders(f"postgresql://reader@127.0.0.1:{port}/shop"), dataset).sync()
        thread.join()
    assert failed.value.code == "source_unavailable"


def test_a_dataset_that_is_down_is_a_transient_error(source: Postgres, dataset: Postgres) -> None:
    source.execute(TABLE, ROWS)
    gone = Postgres("postgresql://postgres@127.0.0.1:1/none", dataset.url)
    with pytest.raises(TransientError) as failed:
        Shop(orders(source.url), gone).sync()
    assert failed.value.code == "dataset_unavailable"


def _everything_told(error: SynclineError) -> str:
    return "".join(traceback.format_exception(error))


def test_no_password_and_no_value_is_in_an_error_or_a_log(
    source: Postgres,
    dataset: Postgres,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "canary-row-value"
    source.execute(
        "CREATE TABLE orders (id int, name text, changed int)",
        f"INSERT INTO orders VALUES (1, '{secret}', 1)",
    )
    shop = Shop(orders(source.url, password=PASSWORD), dataset)
    shop.sync()
    # A rule of the dataset's own makes it refuse the row, and quote it.
    dataset.execute(f"ALTER TABLE {DATASET}.orders ADD CHECK (changed < 2)")
    source.execute("UPDATE orders SET changed = 2")
    failures: list[SynclineError] = []
    with pytest.raises(PermanentError, match="cannot hold one of the values") as failed:
        shop.sync()
    failures.append(failed.value)
    # Rejects are kept in the dataset, and nothing of them is told.
    source.execute("UPDATE orders SET id = NULL")
    assert shop.sync().records_failed == 1
    with pytest.raises(TransientError) as down:
        Shop(orders("postgresql://u@127.0.0.1:1/d", password=PASSWORD), dataset).sync()
    failures.append(down.value)
    told = "".join(map(_everything_told, failures)) + caplog.text + "".join(capfd.readouterr())
    assert PASSWORD not in told
    assert secret not in told


def test_a_source_that_breaks_off_behind_each_page_is_left_in_peace_for_a_while(
    dataset: Postgres,
) -> None:
    records, error = Records(dataset), TransientError("it broke off")
    results = [records.load({"id": number}, error=error) for number in range(1, 7)]
    assert [result.trouble is not None for result in results] == [False] * 3 + [True] * 3
    assert len(records.rows("id")) == 6
