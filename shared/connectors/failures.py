"""Driver and dlt errors, told as transient or permanent in words that hold no secret.

A driver's text may quote rows, parameters and passwords, so none of it is passed on: a message
is a sentence of ours with the error's class and SQLSTATE or number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pymysql
from dlt.normalize.exceptions import NormalizeException
from sqlalchemy.exc import NoSuchTableError

from shared.errors import PermanentError, SynclineError, TransientError


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an error means: whether a repeat can help, the reason code, and a sentence."""

    transient: bool
    code: str
    sentence: str


_LOGIN = _Kind(False, "authorization", "refused the login: check user name and password")
_PERMISSION = _Kind(False, "authorization", "does not permit the user to read this")
_DATABASE = _Kind(False, "configuration", "has no such database")
_TABLE = _Kind(False, "configuration", "has no such table or view")
_COLUMN = _Kind(False, "configuration", "has no such column")
_DUPLICATE = _Kind(False, "configuration", "found two records with one primary key")
_DATA = _Kind(False, "configuration", "cannot hold one of the values that were read")
_TLS = _Kind(False, "configuration", "does not agree on an encrypted connection")
_NAME = _Kind(True, "source_unavailable", "has a host name that cannot be resolved")
_REFUSED = _Kind(True, "source_unavailable", "cannot be reached")
_TIMEOUT = _Kind(True, "source_unavailable", "did not answer in time")
_BUSY = _Kind(True, "source_unavailable", "has too many connections")
_STOPPING = _Kind(True, "source_unavailable", "is shutting down or starting")
_DEADLOCK = _Kind(True, "source_unavailable", "ended the query because of other work")
_UNAVAILABLE = _Kind(True, "source_unavailable", "failed or closed the connection")
_READING = _Kind(False, "configuration", "refused the query")

_BY_SQLSTATE: dict[str, _Kind] = {
    "28": _LOGIN,
    "42501": _PERMISSION,
    "3D000": _DATABASE,
    "3F000": _TABLE,
    "42P01": _TABLE,
    "42703": _COLUMN,
    "23505": _DUPLICATE,
    "21000": _DUPLICATE,
    "22": _DATA,
    "23": _DATA,
    "42": _READING,
    "53300": _BUSY,
    "57P": _STOPPING,
    "57014": _TIMEOUT,
    "55P03": _DEADLOCK,
    "40": _DEADLOCK,
}
"""PostgreSQL: the longest prefix of the SQLSTATE decides."""

# libpq gives no SQLSTATE for a connection that did not come to be: its English text is all there
# is, and whatever is not known counts as transient.
_BY_TEXT: tuple[tuple[str, _Kind], ...] = (
    (r"password authentication failed|no password supplied|no pg_hba\.conf entry", _LOGIN),
    (r'role ".*" does not exist|is not permitted to log in|authentication failed', _LOGIN),
    (r"permission denied for database", _PERMISSION),
    (r'database ".*" does not exist', _DATABASE),
    (r"too many (clients|connections)|remaining connection slots", _BUSY),
    (r"starting up|shutting down|recovery mode", _STOPPING),
    (r"could not translate host name|[Nn]ame or service not known", _NAME),
    (r"timeout expired|timed out", _TIMEOUT),
    (r"[Cc]onnection refused|No route to host|unreachable", _REFUSED),
    (r"SSL|certificate", _TLS),
)

_BY_NUMBER: dict[int, _Kind] = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), _PERMISSION),
    **dict.fromkeys((1045, 1251, 1698, 1862), _LOGIN),
    1049: _DATABASE,
    **dict.fromkeys((1051, 1109, 1146), _TABLE),
    1054: _COLUMN,
    **dict.fromkeys((1040, 1203, 1226), _BUSY),
    **dict.fromkeys((1205, 1213), _DEADLOCK),
    **dict.fromkeys((1053, 1077, 1079), _STOPPING),
    **dict.fromkeys((1969, 3024), _TIMEOUT),
    **dict.fromkeys((2006, 2013, 1927, 1317), _UNAVAILABLE),
    2026: _TLS,
}
"""MySQL and MariaDB: the error number decides."""


def source_failure(error: BaseException) -> SynclineError:
    """Return what an error while reading from the source means for the run."""
    found = _first_known(error)
    match found:
        case SynclineError():
            return found
        case NoSuchTableError():
            return _told("The source database", _TABLE, type(found).__name__)
        case NormalizeException():
            return PermanentError(
                "A record could not be prepared for loading: often a NULL in a primary key column"
                f" ({type(found).__name__})."
            )
        case psycopg2.Error() | pymysql.MySQLError():
            return _told("The source database", _kind_of(found), _label(found))
        case None:
            return PermanentError(
                f"The source could not be read ({type(error).__name__}).", code="internal"
            )


def dataset_failure(error: BaseException) -> SynclineError:
    """Return what an error while loading into the dataset means for the run.

    The database of the datasets is the deployment's, so only what its data causes is permanent.
    """
    found = _first_known(error)
    match found:
        case SynclineError():
            return found
        case psycopg2.Error():
            kind = _kind_of(found)
            if kind in (_DATA, _DUPLICATE, _PERMISSION):
                return _told("The dataset", kind, _label(found))
            return TransientError(
                f"The dataset's database did not take the load ({_label(found)}).",
                code="dataset_unavailable",
            )
        case _:
            return TransientError(
                f"The load did not complete ({type(error).__name__}).", code="internal"
            )


_Known = SynclineError | psycopg2.Error | pymysql.MySQLError | NoSuchTableError | NormalizeException


def _first_known(error: BaseException) -> _Known | None:
    known = [link for link in _chain(error) if isinstance(link, _Known)]
    drivers = [link for link in known if not isinstance(link, NormalizeException)]
    return next(iter(drivers or known), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything it was made of, outermost first."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        names = ("orig", "client_exception", "dbapi_exception", "__cause__", "__context__")
        waiting.extend(getattr(link, name, None) for name in names)


def _kind_of(error: psycopg2.Error | pymysql.MySQLError) -> _Kind:
    if isinstance(error, psycopg2.Error):
        return _by_sqlstate(error.pgcode) or _by_text(str(error)) or _UNAVAILABLE
    number: object = error.args[0] if error.args else None
    if isinstance(number, int) and number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if isinstance(error, pymysql.err.OperationalError | pymysql.err.InterfaceError):
        return _by_text(str(error)) or _UNAVAILABLE
    return _READING


def _by_sqlstate(state: str | None) -> _Kind | None:
    if state is None:
        return None
    prefixes = (state[:length] for length in range(len(state), 1, -1))
    return next((_BY_SQLSTATE[prefix] for prefix in prefixes if prefix in _BY_SQLSTATE), None)


def _by_text(text: str) -> _Kind | None:
    return next((kind for pattern, kind in _BY_TEXT if re.search(pattern, text)), None)


def _label(error: psycopg2.Error | pymysql.MySQLError) -> str:
    mark = error.pgcode if isinstance(error, psycopg2.Error) else next(iter(error.args), None)
    name = type(error).__name__
    return f"{name} {mark}" if isinstance(mark, str | int) and mark else name


def _told(who: str, kind: _Kind, label: str) -> SynclineError:
    message = f"{who} {kind.sentence} ({label})."
    return (TransientError if kind.transient else PermanentError)(message, code=kind.code)
