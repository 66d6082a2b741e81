"""What BigQuery tells of a dataset's tables."""

import threading
from typing import Any

import pytest
from google.cloud.bigquery import Client, Table

from infra.local.bigquery.faults import Fault, FaultKind
from infra.local.bigquery.running import RunningBigQuery
from shared.connectors.bigquery.look import look_at_bigquery
from shared.domain.bigquery_address import parse_address
from shared.errors import PermanentError
from tests.connectors.databases import DATASET, Postgres, orders
from tests.connectors.datasets import AnyShop


def test_a_dataset_tells_its_tables_their_rows_and_when_they_changed(
    source: Postgres, dataset: Postgres, bigquery: RunningBigQuery
) -> None:
    source.execute(
        "CREATE TABLE orders (id text, changed timestamptz)",
        f"INSERT INTO orders VALUES ('a', '2026-01-01'), ('{'x' * 3_000}', '2026-01-02')",
    )
    AnyShop(orders(source.url), dataset, bigquery.dataset_url).sync()
    view = look_at_bigquery(parse_address(bigquery.dataset_url), DATASET)
    (table,) = view.tables
    assert (table.name, table.rows, table.is_estimate, view.is_truncated) == (
        "orders",
        1,
        False,
        False,
    )
    assert table.size_bytes > 0
    assert table.modified_at is not None
    assert view.rejects is not None
    assert view.rejects.rows == 1


def test_a_client_is_of_one_thread(
    bigquery: RunningBigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    bigquery.store.make_dataset({"datasetReference": {"datasetId": DATASET}})
    names = [f"table_{number:02}" for number in range(12)]
    for name in names:
        reference = {"projectId": "syncline-local", "datasetId": DATASET, "tableId": name}
        bigquery.store.make_table(DATASET, {"tableReference": reference})
    used: list[tuple[Client, int]] = []
    all_at_once = threading.Barrier(8)
    get_table = Client.get_table

    def spied(client: Client, *args: Any, **kwargs: Any) -> Table:
        thread = threading.get_ident()
        is_first = all(thread != other for _, other in used)
        used.append((client, thread))
        if is_first:
            all_at_once.wait(10)
        return get_table(client, *args, **kwargs)

    monkeypatch.setattr(Client, "get_table", spied)
    view = look_at_bigquery(parse_address(bigquery.dataset_url), DATASET)
    assert [table.name for table in view.tables] == names
    pairs = {(id(client), thread) for client, thread in used}
    assert len(pairs) == len({client for client, _ in pairs}) == 8


def test_a_dataset_that_is_not_there_yet_is_empty(bigquery: RunningBigQuery) -> None:
    view = look_at_bigquery(parse_address(bigquery.dataset_url), DATASET)
    assert (view.tables, view.rejects) == ([], None)


def test_a_look_that_is_refused_is_told_to_whoever_runs_the_deployment(
    bigquery: RunningBigQuery,
) -> None:
    bigquery.faults.add(Fault(FaultKind.REFUSED_CALL, "GET", reason="accessDenied"))
    with pytest.raises(PermanentError, match="whoever runs it"):
        look_at_bigquery(parse_address(bigquery.dataset_url), DATASET)
