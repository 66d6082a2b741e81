"""Trouble of the database that passes, told by SQLSTATE from what is broken on our side."""

from enum import StrEnum

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from shared.store.violations import violation_of


class Trouble(StrEnum):
    """Why the database did not do what it was asked.

    - BUSY: somebody else's locks were in the way, or it took too long; nothing was changed.
    - UNAVAILABLE: no connection could be had, or the one in use is gone; whether the statement
      that was under way took place is not known.
    """

    BUSY = "database_busy"
    UNAVAILABLE = "database_unavailable"


_BUSY = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available, by lock_timeout too
        "57014",  # query_canceled, by statement_timeout too
    }
)
_UNAVAILABLE = frozenset(
    {
        "25P03",  # idle_in_transaction_session_timeout
        "53300",  # too_many_connections
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
    }
)
_CONNECTION = "08"
"""The class of exceptions of connections."""


def trouble_of(error: DBAPIError | PoolTimeoutError) -> Trouble | None:
    """Return which trouble that passes an error is; None if it is none, and ours to mend."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return Trouble.UNAVAILABLE
    sqlstate = violation_of(error).sqlstate
    if sqlstate in _BUSY:
        return Trouble.BUSY
    if sqlstate in _UNAVAILABLE or sqlstate.startswith(_CONNECTION):
        return Trouble.UNAVAILABLE
    return None
