"""Loads of one connector take turns: a turn is a connection that holds the connector's row."""

import logging
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from threading import Event
from uuid import UUID

from psycopg2.errors import InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.clock import monotonic
from shared.connectors.base import ConfirmLease
from shared.connectors.dataset.turn_table import end_holder, take_turn
from shared.connectors.postgres import LineConnection, connect
from shared.domain.run import Reason
from shared.egress.lines import ANSWER, CONNECT, ORPHAN, Lines
from shared.errors import TransientError
from shared.logs import log_event

_log = logging.getLogger(__name__)
_SET_UP = """
SELECT set_config('lock_timeout', %s, false),
    set_config('client_connection_check_interval', %s, false),
    set_config('default_transaction_isolation', 'read committed', false)
"""
_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
"""Seconds between two looks whether a turn is free; they double."""


@contextmanager
def turn_of(
    connector_id: UUID,
    dataset_url: str,
    wait: timedelta,
    confirm_lease: ConfirmLease,
    lines: Lines | None = None,
) -> Generator[LineConnection]:
    """Hold the connector's turn to load and yield the one connection to load with.

    The turn lives and dies with the connection, and so does the right to write: a loader that was
    frozen while its connection was dropped cannot write beside or over the next. A turn that does
    not come in time is taken from its holder once `confirm_lease` has said that we hold the run:
    there is one run of a connector at a time, so that the holder has lost its own. The connection
    is one of `lines`.

    Raises `TransientError` if the turn cannot be had, `LeaseLostError` if it is not ours to have.
    """
    with closing(connect(lines or Lines(), dataset_url)) as connection:
        connection.autocommit = True
        connection.line.patience = wait + CONNECT
        key = str(connector_id)
        with connection.cursor() as cursor:
            cursor.execute(_SET_UP, (_milliseconds(wait), _milliseconds(ORPHAN)))
            if not _take(cursor, key, wait):
                confirm_lease()
                _end_holder(cursor, key)
                if not _take(cursor, key, wait):
                    raise TransientError(
                        "Another load of this connector is still under way.",
                        code=Reason.DATASET_BUSY,
                    )
        connection.line.patience = ANSWER
        yield connection


def _take(cursor: Cursor, key: str, wait: timedelta) -> bool:
    """Wait for the turn, and return whether it came in time."""
    until, pause = monotonic() + wait.total_seconds(), _SHORTEST_PAUSE
    while True:
        with suppress(LockNotAvailable):  # several take it at this moment
            if take_turn(cursor, key):
                return True
        left = until - monotonic()
        if left <= 0:
            return False
        Event().wait(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _end_holder(cursor: Cursor, key: str) -> None:
    try:
        ended = end_holder(cursor, key)
    except InsufficientPrivilege:
        return
    log_event(
        _log,
        logging.WARNING,
        "turn_taken_over",
        "A load that had lost its run still held its turn, and was ended",
        connector_id=key,
        ended=ended,
    )


def _milliseconds(duration: timedelta) -> str:
    return str(max(1, duration // timedelta(milliseconds=1)))
