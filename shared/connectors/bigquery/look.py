"""What is in a dataset of BigQuery: its tables and their sizes, which BigQuery knows anyway."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import Table
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
    with told():
        tables = list(_tables(address, Place(address.project, dataset)))
    rejects = next((table for table in tables if table.name == REJECTS_TABLE), None)
    others = [table for table in tables if table is not rejects]
    return DatasetView(others[:MOST_TABLES], rejects, len(others) > MOST_TABLES)


def _tables(address: BigQueryAddress, place: Place) -> Iterator[DatasetTable]:
    listed = _listed(address, place)
    # That of the rejects is told apart, wherever it stands.
    listed.sort(key=_place_in_list)
    read, unread = listed[:_MOST_READ], listed[_MOST_READ:]
    # A client is of one thread: each has its share of the tables.
    shares = [share for share in (read[first::_AT_ONCE] for first in range(_AT_ONCE)) if share]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = {
            table.table_id: table
            for tables in threads.map(partial(_read, address), shares)
            for table in tables
        }
    for item in read:
        table = found.get(item.table_id)
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


def _listed(address: BigQueryAddress, place: Place) -> list[TableListItem]:
    try:
        with closing(open_client(address)) as client:
            return list(
                client.list_tables(
                    f"{place.project}.{place.dataset}",
                    max_results=MOST_TABLES + 2,
                    retry=PROMPT,
                    timeout=PROMPT_SECONDS,
                )
            )
    except NotFound:
        return []


def _place_in_list(item: TableListItem) -> tuple[bool, str]:
    return item.table_id != REJECTS_TABLE, item.table_id


def _read(address: BigQueryAddress, items: Sequence[TableListItem]) -> Sequence[Table]:
    """Return the tables, but those that were dropped in between."""
    found: list[Table] = []
    with closing(open_client(address)) as client:
        for item in items:
            with suppress(NotFound):
                found.append(client.get_table(item.reference, retry=PROMPT, timeout=PROMPT_SECONDS))
    return found
