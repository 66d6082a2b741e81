"""What only a dataset in BigQuery does: types, turns, jobs that outlive their worker."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from infra.local.bigquery.faults import Fault, FaultKind
from infra.local.bigquery.running import RunningBigQuery
from shared.domain.run import Reason
from shared.errors import LeaseLostError, PermanentError, TransientError
from tests.connectors.databases import DATASET, Postgres, counts, orders
from tests.connectors.datasets import AnyShop

STAGING = f"{DATASET}_staging"


@pytest.fixture
def shop(source: Postgres, dataset: Postgres, bigquery: RunningBigQuery) -> AnyShop:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz, note text)",
        "INSERT INTO orders VALUES (1, '2026-01-01', 'one'), (2, '2026-01-02', 'two')",
    )
    return AnyShop(orders(source.url), dataset, bigquery.dataset_url)


def kinds_of(bigquery: RunningBigQuery, table: str = "orders") -> dict[str, str]:
    fields = bigquery.store.table(DATASET, table)["schema"]["fields"]
    return {field["name"]: field["type"] for field in fields if field["name"][:4] != "_dlt"}


def test_every_value_lands_exactly_in_a_column_of_its_type(
    source: Postgres, dataset: Postgres, bigquery: RunningBigQuery
) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz, amount numeric,"
        " fine numeric, huge numeric, ratio float8, is_paid bool, at timestamp, day date,"
        " clock time, raw bytea, doc jsonb, deep jsonb, note text)",
        "INSERT INTO orders VALUES (1, '2026-01-01 10:00:00.123456+02', 12.345678901 - 0.000000001,"
        " 0.12345678901234567890, 1e50, 0.1, true, '2026-01-01 10:00:00.123456', '0001-01-02',"
        " '23:59:59.999999', '\\x00ff', '{\"a\": [1, null]}', '{\"n\": 0.10000000000000000001}',"
        " E'line\\none \\\\ \"two\" \U0001f600')",
    )
    shop = AnyShop(orders(source.url), dataset, bigquery.dataset_url)
    shop.sync()
    assert kinds_of(bigquery) == {
        "id": "INTEGER",
        "changed": "TIMESTAMP",
        "amount": "NUMERIC",
        "fine": "BIGNUMERIC",
        "huge": "STRING",
        "ratio": "FLOAT",
        "is_paid": "BOOLEAN",
        "at": "DATETIME",
        "day": "DATE",
        "clock": "TIME",
        "raw": "BYTES",
        "doc": "JSON",
        "deep": "STRING",
        "note": "STRING",
    }
    assert shop.loaded("changed, amount, fine, ratio, is_paid, at, day, clock") == [
        (
            datetime(2026, 1, 1, 8, 0, 0, 123456, UTC),
            Decimal("12.345678900"),
            Decimal("0.12345678901234567890"),
            0.1,
            True,
            datetime(2026, 1, 1, 10, 0, 0, 123456),  # noqa: DTZ001 (it has no zone)
            date(1, 1, 2),
            time(23, 59, 59, 999999),
        )
    ]
    assert shop.loaded("encode(raw, 'hex'), note, doc, deep") == [
        (
            "00ff",
            'line\none \\ "two" \U0001f600',
            {"a": [1, None]},
            '{"n": 0.10000000000000000001}',
        )
    ]
    assert Decimal(shop.loaded("huge, id")[0][0]) == Decimal("1e50")
    assert counts(shop.sync()) == (1, 0, 0)  # read again, and the same in every type


def test_a_load_leaves_nothing_staged(shop: AnyShop, bigquery: RunningBigQuery) -> None:
    shop.sync()
    assert bigquery.store.tables(STAGING) == ["syncline_turn"]


def test_what_a_killed_worker_staged_is_gone_after_a_day(
    shop: AnyShop, bigquery: RunningBigQuery
) -> None:
    bigquery.faults.add(Fault(FaultKind.REFUSED_CALL, "DELETE", reason="accessDenied"))
    shop.sync()
    (staged,) = [name for name in bigquery.store.tables(STAGING) if name.startswith("load_")]
    table = bigquery.store.table(STAGING, staged)
    lives = int(table["expirationTime"]) - int(table["creationTime"])
    assert timedelta(milliseconds=lives) <= timedelta(days=1)


def test_a_turn_that_somebody_without_the_lease_took_is_taken_back(
    shop: AnyShop, dataset: Postgres, bigquery: RunningBigQuery
) -> None:
    taken = 0

    def confirm() -> None:
        nonlocal taken
        taken += 1
        if taken == 4:  # right before the merge
            dataset.execute(f"UPDATE {STAGING}.syncline_turn SET run_id = 'a zombie', fence = 9")

    assert counts(shop.sync(confirm)) == (2, 2, 0)


def test_a_merge_that_outlives_its_worker_does_nothing_once_the_next_has_the_turn(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    shop.sync()
    source.execute("UPDATE orders SET note = 'old', changed = '2026-02-01'")
    bigquery.faults.add(Fault(FaultKind.HELD_JOB, "_merge_"))
    is_replaced, told = threading.Event(), list[type[Exception]]()

    def confirm() -> None:
        if is_replaced.is_set():
            raise LeaseLostError("Another worker holds the run.")

    def work() -> None:
        try:
            shop.sync(confirm)
        except LeaseLostError as error:
            told.append(type(error))

    watermarks = dict(shop.watermarks)
    worker = threading.Thread(target=work)
    worker.start()
    held = _job(bigquery, "_2_merge_")
    other = AnyShop(orders(source.url), shop.dataset, shop.dataset_url)
    other.fence, other.watermarks = 10, watermarks
    source.execute("UPDATE orders SET note = 'new', changed = '2026-03-01'")
    assert counts(other.sync()) == (2, 0, 2)
    is_replaced.set()
    bigquery.jobs.release(held)
    bigquery.jobs.wait(held, 10)
    assert "syncline_turn_lost" in bigquery.jobs.job(held)["status"]["errorResult"]["message"]
    worker.join(30)
    assert told == [LeaseLostError]
    assert shop.loaded("id, note") == [(1, "new"), (2, "new")]


def _job(bigquery: RunningBigQuery, part: str) -> str:
    """Return the job with this part in its name, once it has begun."""
    waits = threading.Event()
    for _ in range(500):
        found = [name for name in bigquery.jobs.names() if part in name]
        if found:
            return found[0]
        waits.wait(0.02)
    raise AssertionError(f"no job {part}")


def test_the_lost_answer_of_a_merge_merges_once(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    shop.sync()
    source.execute("INSERT INTO orders VALUES (3, '2026-02-01', 'three')")
    bigquery.faults.add(Fault(FaultKind.LOST_ANSWER, "POST /bigquery/v2", times=3))
    assert counts(shop.sync()) == (2, 1, 0)


def test_the_lost_answer_of_an_upload_loads_once(shop: AnyShop, bigquery: RunningBigQuery) -> None:
    bigquery.faults.add(Fault(FaultKind.LOST_ANSWER, "POST /upload"))
    assert counts(shop.sync()) == (2, 2, 0)


def test_trouble_that_passes_is_told_as_such(shop: AnyShop, bigquery: RunningBigQuery) -> None:
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_merge_", reason="backendError"))
    with pytest.raises(TransientError, match="BigQuery failed") as told:
        shop.sync()
    assert told.value.code == Reason.DATASET_UNAVAILABLE
    assert counts(shop.sync()) == (2, 2, 0)


def test_a_right_that_the_deployment_lacks_is_told_to_whoever_runs_it(
    shop: AnyShop, bigquery: RunningBigQuery
) -> None:
    bigquery.faults.add(
        Fault(FaultKind.REFUSED_CALL, "POST", reason="accessDenied", message="canary")
    )
    with pytest.raises(PermanentError, match=r"service account roles/bigquery\.user") as told:
        shop.sync()
    assert "canary" not in str(told.value)


def test_a_column_whose_type_bigquery_does_not_change_keeps_it(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    source.execute("ALTER TABLE orders ADD stock int", "UPDATE orders SET stock = id")
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER stock TYPE numeric",
        "UPDATE orders SET stock = 2.5, changed = '2026-02-01' WHERE id = 2",
    )
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_widen_", reason="invalidQuery"))
    shop.sync()
    assert shop.loaded("id, stock, stock__v_decimal") == [(1, 1, None), (2, None, Decimal("2.5"))]


def test_a_key_whose_type_bigquery_does_not_change_ends_the_run(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER id TYPE numeric", "UPDATE orders SET changed = '2026-02-01'"
    )
    bigquery.faults.add(Fault(FaultKind.FAILED_JOB, "_widen_", reason="invalidQuery"))
    with pytest.raises(PermanentError, match=r"orders\.id from INT64 to NUMERIC.*by hand"):
        shop.sync()


def test_a_variant_is_marked_by_its_description(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    shop.sync()
    source.execute(
        "ALTER TABLE orders ALTER note TYPE bytea USING '\\x01'",
        "UPDATE orders SET changed = '2026-02-01'",
    )
    shop.sync()
    fields = bigquery.store.table(DATASET, "orders")["schema"]["fields"]
    marks = {field["name"]: field.get("description", "") for field in fields}
    assert 'syncline:variant {"of": "note"}' in marks["note__v_binary"]


def test_a_name_that_bigquery_keeps_for_itself_ends_the_stream(
    shop: AnyShop, source: Postgres
) -> None:
    source.execute("ALTER TABLE orders ADD \"_PartitionTime\" text DEFAULT 'x'")
    with pytest.raises(PermanentError, match=r"_partition_?time, which BigQuery keeps for itself"):
        shop.sync()


@pytest.mark.parametrize("dropped", [DATASET, STAGING])
def test_a_dataset_that_somebody_dropped_comes_back_with_a_load_of_everything(
    source: Postgres, dataset: Postgres, bigquery: RunningBigQuery, shop: AnyShop, dropped: str
) -> None:
    whole = AnyShop(orders(source.url, cursor=None), dataset, bigquery.dataset_url)
    whole.sync()
    bigquery.store.drop_dataset(dropped)
    whole.sync()
    assert whole.loaded("id, note") == [(1, "one"), (2, "two")]


def test_a_dataset_that_somebody_dropped_is_not_the_fault_of_the_url(
    shop: AnyShop, bigquery: RunningBigQuery
) -> None:
    shop.sync()
    bigquery.store.drop_dataset(DATASET)
    with pytest.raises(PermanentError, match="The dataset's table orders is gone"):
        shop.sync()


def test_a_project_that_is_not_there_is_the_fault_of_the_url(
    source: Postgres, dataset: Postgres, bigquery: RunningBigQuery, shop: AnyShop
) -> None:
    url = bigquery.dataset_url.replace("syncline-local", "syncline-other")
    with pytest.raises(PermanentError, match="correct SYNCLINE_DATASET_URL"):
        AnyShop(orders(source.url), dataset, url).sync()


def test_a_dataset_says_whose_it_is(shop: AnyShop, bigquery: RunningBigQuery) -> None:
    shop.sync()
    labels = {"syncline_connector": str(shop.connector_id)}
    assert bigquery.store.dataset(DATASET)["labels"] == labels
    loads = [name for name in bigquery.jobs.names() if "_merge_" in name or "_load_" in name]
    assert [bigquery.jobs.job(name)["configuration"]["labels"] for name in loads] == [labels] * 2


def test_a_rejected_record_whose_key_is_json_keeps_its_row(
    source: Postgres, dataset: Postgres, bigquery: RunningBigQuery
) -> None:
    source.execute(
        "CREATE TABLE orders (id jsonb, note text)",
        "INSERT INTO orders VALUES ('{\"oid\": 1}', 'one'), ('{\"oid\": 2}', 'two')",
    )
    shop = AnyShop(orders(source.url, cursor=None), dataset, bigquery.dataset_url)
    shop.sync()
    source.execute(f"UPDATE orders SET note = '{chr(0xF026)}' WHERE note = 'one'")
    result = shop.sync()
    assert (result.records_failed, result.metadata["records_deleted"]) == (1, 0)
    assert kinds_of(bigquery) == {"id": "STRING", "note": "STRING"}


def lost_at(number: int) -> Callable[[], None]:
    """Return what confirms a lease fewer times than this."""
    asked = 0

    def confirm() -> None:
        nonlocal asked
        asked += 1
        if asked >= number:
            raise LeaseLostError("Another worker holds the run.")

    return confirm


def test_nobody_without_the_lease_makes_a_table(shop: AnyShop, bigquery: RunningBigQuery) -> None:
    with pytest.raises(LeaseLostError):
        shop.sync(lost_at(3))  # twice for the turn
    assert bigquery.store.tables(DATASET) == []


def test_nobody_without_the_lease_adds_a_column(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    shop.sync()
    source.execute("ALTER TABLE orders ADD colour text DEFAULT 'red'")
    with pytest.raises(LeaseLostError):
        shop.sync(lost_at(3))
    assert "colour" not in kinds_of(bigquery)


def test_nobody_without_the_lease_widens_a_column(
    shop: AnyShop, source: Postgres, bigquery: RunningBigQuery
) -> None:
    source.execute("ALTER TABLE orders ADD stock int DEFAULT 1")
    shop.sync()
    source.execute("ALTER TABLE orders ALTER stock TYPE numeric")
    with pytest.raises(LeaseLostError):
        shop.sync(lost_at(3))
    assert kinds_of(bigquery)["stock"] == "INTEGER"


def test_nobody_without_the_lease_touches_the_keys_of_a_refresh(
    source: Postgres, dataset: Postgres, bigquery: RunningBigQuery, shop: AnyShop
) -> None:
    whole = AnyShop(orders(source.url, cursor=None), dataset, bigquery.dataset_url)
    with pytest.raises(LeaseLostError):
        whole.sync(lost_at(4))  # and once for the table
    assert bigquery.store.tables(DATASET) == ["orders"]
    assert bigquery.store.tables(STAGING) == ["syncline_turn"]
    whole.sync()
    source.execute("ALTER TABLE orders ALTER id TYPE numeric")  # the keys are made anew
    (before,) = [name for name in bigquery.store.tables(STAGING) if name.startswith("seen_")]
    etag = bigquery.store.table(STAGING, before)["creationTime"]
    with pytest.raises(LeaseLostError):
        whole.sync(lost_at(4))  # and once for the wider key
    assert bigquery.store.table(STAGING, before)["creationTime"] == etag


def test_a_turn_that_somebody_emptied_says_what_to_do(shop: AnyShop, dataset: Postgres) -> None:
    shop.sync()
    dataset.execute(f"DELETE FROM {STAGING}.syncline_turn")
    with pytest.raises(PermanentError, match=r"syncline_turn.*drop it"):
        shop.sync()
