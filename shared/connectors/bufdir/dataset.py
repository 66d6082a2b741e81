"""The dataset that a report is made of: another connector's, in the same database as our own."""

from datetime import timedelta

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.connectors.base import ReadableDataset, SourceAccess
from shared.connectors.bufdir.config import BufdirConfig
from shared.connectors.driver_failures import driver_label, loading_kind
from shared.connectors.failure_kinds import told
from shared.domain.bigquery_address import is_bigquery
from shared.domain.fault import Fault
from shared.egress.lines import STATEMENT
from shared.errors import PermanentError, SynclineError

_IDLE = timedelta(seconds=60)
_LOCK = timedelta(seconds=60)


def require_postgresql(dataset_url: str) -> None:
    """Raise `PermanentError` where datasets are not in PostgreSQL, by which reports are sent once.

    A receipt is committed before its request and locked while it goes out; BigQuery has no such
    rows.
    """
    if is_bigquery(dataset_url):
        raise PermanentError(
            "Reports are made of datasets in PostgreSQL, and those of this deployment are in"
            " BigQuery: send them from a deployment whose SYNCLINE_DATASET_URL is PostgreSQL's.",
            fault=Fault.SETTINGS,
        )


def reported_dataset(access: SourceAccess) -> ReadableDataset:
    """Return the dataset to report from; raise `PermanentError` if it is not this workspace's."""
    config = access.config
    if isinstance(config, BufdirConfig) and config.dataset.connector_id in access.datasets:
        dataset = access.datasets[config.dataset.connector_id]
        require_postgresql(dataset.url)
        return dataset
    raise PermanentError(
        "The workspace has no connector with the id in dataset.connector_id any more: choose"
        " another one.",
        fault=Fault.NOT_FOUND,
    )


def set_reading(cursor: Cursor) -> None:
    """Let the transaction that begins see one state of the dataset, and write times in UTC."""
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    cursor.execute(
        "SELECT set_config('timezone', 'UTC', true), set_config('search_path', '', true),"
        " set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
        " set_config('idle_in_transaction_session_timeout', %s, true)",
        [f"{limit.total_seconds():.0f}s" for limit in (STATEMENT, _LOCK, _IDLE)],
    )


def dataset_trouble(error: psycopg2.Error) -> SynclineError:
    """Return what an error of the datasets' database means for the run; without dlt."""
    return told("The dataset's database", loading_kind(error), driver_label(error))
