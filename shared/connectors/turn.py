"""Loads of one connector take turns, by advisory locks in the database of the datasets."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)

from shared.errors import TransientError

_LOCK_NOT_AVAILABLE = "55P03"


def connect(dataset_url: str) -> Connection:
    """Open a connection to the database of the datasets, with deadlines."""
    return psycopg2.connect(
        dataset_url,
        connect_timeout=10,
        keepalives=1,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        application_name="syncline",
    )


@contextmanager
def turn_of(connector_id: UUID, dataset_url: str, wait: timedelta) -> Generator[None]:
    """Hold the connector's turn to load; raise `TransientError` if it does not come in time.

    The turn keeps the staging tables to one load. It ends with its connection, which the server
    may drop while this process is frozen; so the merge takes `merge_key` in its own transaction.
    """
    with closing(connect(dataset_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (_milliseconds(wait),))
            try:
                cursor.execute("SELECT pg_advisory_lock(%s)", (_key("load", connector_id),))
            except psycopg2.OperationalError as error:
                if error.pgcode != _LOCK_NOT_AVAILABLE:
                    raise
                raise TransientError(
                    "Another load of this connector is still under way.", code="dataset_busy"
                ) from error
        yield


def merge_key(connector_id: UUID) -> int:
    """Return the advisory lock that each merge of the connector holds until it commits."""
    return _key("merge", connector_id)


def _key(purpose: str, connector_id: UUID) -> int:
    digest = sha256(f"{purpose}:{connector_id}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _milliseconds(wait: timedelta) -> str:
    return str(max(1, int(wait.total_seconds() * 1_000)))
