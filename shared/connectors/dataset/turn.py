"""Loads of one connector take turns: a turn is a connection that holds the connector's row."""

import logging
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from uuid import UUID, uuid4

from psycopg2.errors import InsufficientPrivilege, LockNotAvailable
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.clock import monotonic
from shared.connectors.base import ConfirmLease
from shared.connectors.dataset.turn_table import end_holder, keep_turn, take_turn
from shared.connectors.postgres import LineConnection, connect
from shared.domain.run import Reason
from shared.egress.lines import ANSWER, CONNECT, ORPHAN, Lines
from shared.errors import PermanentError, TransientError
from shared.logs import log_event

_log = logging.getLogger(__name__)
_SET_UP = """
SELECT set_config('lock_timeout', %s, false),
    set_config('client_connection_check_interval', %s, false),
    set_config('default_transaction_isolation', 'read committed', false),
    pg_backend_pid()
"""
_SHORTEST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
"""Seconds between two looks whether a turn is free; they double."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn to load that is held, and the one connection to load with."""

    connection: LineConnection
    connector: str
    token: str

    def keep(self, cursor: Cursor) -> None:
        """Let nobody take the turn before the open transaction of the connection ends.

        Raises `TransientError` if somebody has taken it: nothing may be written then.
        """
        if not keep_turn(cursor, self.connector, self.token):
            raise TransientError(
                "Another load of this connector has taken the turn.", code=Reason.DATASET_BUSY
            )


@contextmanager
def turn_of(
    connector_id: UUID,
    dataset_url: str,
    wait: timedelta,
    confirm_lease: ConfirmLease,
    lines: Lines | None = None,
) -> Generator[Turn]:
    """Hold the connector's turn to load and yield it, with the one connection to load with.

    The turn lives and dies with the connection, and so does the right to write: a loader that was
    frozen while its connection was dropped cannot write beside or over the next. A turn that does
    not come in time is taken from its holder once `confirm_lease` has said that we hold the run:
    there is one run of a connector at a time, so that the holder has lost its own. The connection
    is one of `lines`.

    Raises `TransientError` if the turn cannot be had, `PermanentError` if what answers is a pooler,
    `LeaseLostError` if it is not ours to have.
    """
    with closing(connect(lines or Lines(), dataset_url)) as connection:
        connection.autocommit = True
        connection.line.patience = wait + CONNECT
        turn = Turn(connection, str(connector_id), str(uuid4()))
        with connection.cursor() as cursor:
            cursor.execute(_SET_UP, (_milliseconds(wait), _milliseconds(ORPHAN)))
            _check_direct(cursor, connection)
            if not _take(cursor, turn, wait):
                confirm_lease()
                _end_holder(cursor, turn.connector)
                if not _take(cursor, turn, wait):
                    raise TransientError(
                        "Another load of this connector is still under way.",
                        code=Reason.DATASET_BUSY,
                    )
        connection.line.patience = ANSWER
        yield turn


def _check_direct(cursor: Cursor, connection: LineConnection) -> None:
    """Raise `PermanentError` if the process that answers is not the one that we logged in to.

    The processes of a pooler are shared, and outlive our connection: none of them can be a turn.
    """
    *_, pid = cursor.fetchone() or (None,)
    if pid != connection.info.backend_pid:
        error = PermanentError(
            "A pooler answers in place of the datasets' database: whoever runs this deployment has"
            " to give SYNCLINE_DATASET_URL the address of the database itself."
        )
        error.is_of_connector = True
        raise error


def _take(cursor: Cursor, turn: Turn, wait: timedelta) -> bool:
    """Wait for the turn, and return whether it came in time."""
    until, pause = monotonic() + wait.total_seconds(), _SHORTEST_PAUSE
    while True:
        with suppress(LockNotAvailable):  # several take it at this moment
            if take_turn(cursor, turn.connector, turn.token):
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
        log_event(
            _log,
            logging.WARNING,
            "turn_not_taken_over",
            "A load that had lost its run still holds its turn, and is another role's to end",
            connector_id=key,
        )
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
