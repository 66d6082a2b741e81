"""Loads of one connector take turns: a turn is a connection that holds the connector's lock."""

import logging
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from psycopg2.errors import InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.connectors.base import ConfirmLease
from shared.connectors.postgres import LineConnection, connect
from shared.domain.run import Reason
from shared.egress.lines import ANSWER, CONNECT, ORPHAN, Lines
from shared.errors import TransientError
from shared.logs import log_event

_log = logging.getLogger(__name__)
_SET_UP = """
SELECT set_config('lock_timeout', %s, false),
    set_config('client_connection_check_interval', %s, false)
"""
_END_HOLDER = """
SELECT pg_terminate_backend(pid)
FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = (%(key)s >> 32) & 4294967295 AND objid::bigint = %(key)s & 4294967295
"""


@contextmanager
def turn_of(
    connector_id: UUID,
    dataset_url: str,
    wait: timedelta,
    confirm_lease: ConfirmLease,
    lines: Lines | None = None,
) -> Generator[LineConnection]:
    """Hold the connector's turn to load and yield the one connection to load with.

    The lock lives and dies with the connection, and so does the right to write: a loader that was
    frozen while its connection was dropped cannot write beside or over the next. A turn that does
    not come in time is taken from its holder once `confirm_lease` has said that we hold the run:
    there is one run of a connector at a time, so that the holder has lost its own. The connection
    is one of `lines`.

    Raises `TransientError` if the turn cannot be had, `LeaseLostError` if it is not ours to have.
    """
    with closing(connect(lines or Lines(), dataset_url)) as connection:
        connection.autocommit = True
        connection.line.patience = wait + CONNECT
        key = _key(connector_id)
        with connection.cursor() as cursor:
            if not _lock(cursor, key, wait):
                confirm_lease()
                _end_holder(cursor, key, connector_id)
                if not _lock(cursor, key, wait):
                    raise TransientError(
                        "Another load of this connector is still under way.",
                        code=Reason.DATASET_BUSY,
                    )
        connection.line.patience = ANSWER
        yield connection


def _lock(cursor: Cursor, key: int, wait: timedelta) -> bool:
    settings = (_milliseconds(wait), _milliseconds(ORPHAN))
    cursor.execute(_SET_UP, settings)
    try:
        cursor.execute("SELECT pg_advisory_lock(%s)", (key,))
    except LockNotAvailable:
        return False
    return True


def _end_holder(cursor: Cursor, key: int, connector_id: UUID) -> None:
    try:
        cursor.execute(_END_HOLDER, {"key": key})
    except InsufficientPrivilege:
        return
    log_event(
        _log,
        logging.WARNING,
        "turn_taken_over",
        "A load that had lost its run still held its turn, and was ended",
        connector_id=connector_id,
        ended=cursor.rowcount,
    )


def _milliseconds(duration: timedelta) -> str:
    return str(max(1, duration // timedelta(milliseconds=1)))


def _key(connector_id: UUID) -> int:
    """Return the connector's advisory lock, a signed bigint."""
    digest = sha256(f"load:{connector_id}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
