"""What is in a dataset of BigQuery: its tables and their sizes, which BigQuery knows anyway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import Client, Table
from google.cloud.bigquery.table import TableListItem

from shared.connectors.bigquery.client import PROMPT, PROMPT_SECONDS, open_client
from shared.connectors.bigquery.session import told
from shared.connectors.bigquery.tables import Place
from shared.connectors.dataset.look import MOST_TABLES, DatasetTable, DatasetView
from shared.domain.bigquery_address import BigQueryAddress
from shared.domain.dataset import REJECTS_TABLE

_AT_ONCE = 8
_MOST_READ = 200
"""Of how many tables the figures are asked for; each is a call."""


def look_at_bigquery(address: BigQueryAddress, dataset: str) -> DatasetView:
    """Return what a dataset holds; empty if it is not there yet.

    Raises `TransientError` if BigQuery cannot be reached or takes too long, and `PermanentError` if
    it refuses the deployment.
    """
    with told(), closing(open_client(address)) as client:
        tables = list(_tables(client, Place(address.project, dataset)))
    rejects = next((table for table in tables if table.name == REJECTS_TABLE), None)
    others = [table for table in tables if table is not rejects]
    return DatasetView(others[:MOST_TABLES], rejects, len(others) > MOST_TABLES)


def _tables(client: Client, place: Place) -> Iterator[DatasetTable]:
    try:
        listed: list[TableListItem] = list(
            client.list_tables(
                f"{place.project}.{place.dataset}",
                max_results=MOST_TABLES + 2,
                retry=PROMPT,
                timeout=PROMPT_SECONDS,
            )
        )
    except NotFound:
        return
    # That of the rejects is told apart, wherever it stands.
    listed.sort(key=_place_in_list)
    read, unread = listed[:_MOST_READ], listed[_MOST_READ:]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for item, table in zip(read, threads.map(partial(_read, client), read), strict=True):
            if table is not None:
                yield DatasetTable(
                    item.table_id,
                    table.num_rows,
                    is_estimate=False,
                    size_bytes=table.num_bytes or 0,
                    modified_at=table.modified,
                )
    for item in unread:
        yield DatasetTable(item.table_id, None, is_estimate=True, size_bytes=0)


def _place_in_list(item: TableListItem) -> tuple[bool, str]:
    return item.table_id != REJECTS_TABLE, item.table_id


def _read(client: Client, item: TableListItem) -> Table | None:
    try:
        return client.get_table(item.reference, retry=PROMPT, timeout=PROMPT_SECONDS)
    except NotFound:  # dropped in between
        return None
