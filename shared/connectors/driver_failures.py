"""What the errors of database drivers mean, by SQLSTATE, number or, where there is none, text."""

import re
from collections.abc import Mapping, Sequence

import psycopg2
import pymysql
from sqlalchemy.exc import NoSuchTableError

from shared.connectors.failure_kinds import (
    CERTIFICATE,
    NAME,
    REFUSED,
    TIMEOUT,
    TLS,
    UNAVAILABLE,
    Kind,
    permanent,
    transient,
)
from shared.domain.run import Reason

DriverError = psycopg2.Error | pymysql.MySQLError | NoSuchTableError

LOGIN = permanent(Reason.AUTHORIZATION, "refused the login: check user name and password")
PERMISSION = permanent(Reason.AUTHORIZATION, "does not permit the user to do this")
DUPLICATE = permanent(Reason.CONFIGURATION, "found two records with one primary key")
DATA = permanent(Reason.CONFIGURATION, "cannot hold one of the values that were read")
_DATABASE = permanent(Reason.CONFIGURATION, "has no such database")
_TABLE = permanent(Reason.CONFIGURATION, "has no such table or view")
_COLUMN = permanent(Reason.CONFIGURATION, "has no such column")
_QUERY = permanent(Reason.CONFIGURATION, "refused the query")
_BUSY = transient(Reason.SOURCE_UNAVAILABLE, "has too many connections")
_STOPPING = transient(Reason.SOURCE_UNAVAILABLE, "is shutting down or starting")
_DEADLOCK = transient(Reason.SOURCE_UNAVAILABLE, "ended the query because of other work")

_BY_SQLSTATE: Mapping[str, Kind] = {
    "0A": _QUERY,
    "21000": DUPLICATE,
    "22": DATA,
    "23": DATA,
    "23505": DUPLICATE,
    "25006": _QUERY,
    "28": LOGIN,
    "3D000": _DATABASE,
    "3F000": _TABLE,
    "40": _DEADLOCK,
    "42": _QUERY,
    "42501": PERMISSION,
    "42703": _COLUMN,
    "42P01": _TABLE,
    "53300": _BUSY,
    "54": _QUERY,
    "55P03": _DEADLOCK,
    "57014": TIMEOUT,
    "57P": _STOPPING,
    "P0": _QUERY,
}
"""PostgreSQL: the longest prefix of the SQLSTATE decides."""

# libpq gives no SQLSTATE for a connection that did not come to be: its English text is all there
# is, and whatever is not known counts as transient.
_BY_TEXT: tuple[tuple[str, Kind], ...] = (
    (r"password authentication failed|no password supplied|no pg_hba\.conf entry", LOGIN),
    (r'role ".*" does not exist|is not permitted to log in|authentication failed', LOGIN),
    (r"permission denied for database", PERMISSION),
    (r'database ".*" does not exist', _DATABASE),
    (r"too many (clients|connections)|remaining connection slots", _BUSY),
    (r"starting up|shutting down|recovery mode", _STOPPING),
    (r"could not translate host name|[Nn]ame or service not known", NAME),
    (r"timeout expired|timed out", TIMEOUT),
    (r"[Cc]onnection refused|No route to host|unreachable", REFUSED),
    # An encrypted connection that broke, which is no quarrel about the encryption.
    (r"SSL SYSCALL error|SSL connection has been closed|[Uu]nexpected eof", UNAVAILABLE),
    (r"certificate verify failed|root certificate|certificate for .* does not match", CERTIFICATE),
    (r"SSL|certificate", TLS),
)

_BY_NUMBER: Mapping[int, Kind] = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), PERMISSION),
    **dict.fromkeys((1045, 1130, 1251, 1698, 1862, 2059, 2061), LOGIN),
    1049: _DATABASE,
    **dict.fromkeys((1051, 1109, 1146), _TABLE),
    1054: _COLUMN,
    **dict.fromkeys((1040, 1203, 1226), _BUSY),
    **dict.fromkeys((1205, 1213), _DEADLOCK),
    **dict.fromkeys((1053, 1077, 1079), _STOPPING),
    **dict.fromkeys((1969, 3024), TIMEOUT),
    **dict.fromkeys((2006, 2013, 1927, 1317), UNAVAILABLE),
    **dict.fromkeys((2026, 3159), TLS),
}
"""MySQL and MariaDB: the error number decides."""

_OF_THE_SERVER = (pymysql.OperationalError, pymysql.InterfaceError, pymysql.InternalError)
_OF_THE_CLIENT = (None, *range(2000, 3000))
"""Numbers that PyMySQL gives itself, with the text of the socket or of TLS."""

_TEXT_CHARS = 1_000
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def find_driver_error(links: Sequence[BaseException]) -> DriverError | None:
    """Return the outermost error of a driver among the links of a chain, if there is one."""
    return next((link for link in links if isinstance(link, DriverError)), None)


def driver_kind(error: DriverError) -> Kind:
    """Return what an error of a driver means for whoever reads from that database."""
    match error:
        case NoSuchTableError():
            return _TABLE
        case psycopg2.Error():
            return _by_sqlstate(error.pgcode) if error.pgcode else _without_sqlstate(error)
        case _:
            return _by_number(error)


def driver_label(error: DriverError) -> str:
    """Return the error's class with its SQLSTATE or number, and nothing that a server wrote."""
    name = type(error).__name__
    match error:
        case psycopg2.Error() if error.pgcode and _SQLSTATE.fullmatch(error.pgcode):
            return f"{name} {error.pgcode}"
        case pymysql.MySQLError() if (number := _number(error)) is not None:
            return f"{name} {number}"
        case _:
            return name


def _by_sqlstate(state: str) -> Kind:
    prefixes = (state[:length] for length in range(len(state), 1, -1))
    found = (_BY_SQLSTATE[prefix] for prefix in prefixes if prefix in _BY_SQLSTATE)
    return next(found, UNAVAILABLE)


def _without_sqlstate(error: psycopg2.Error) -> Kind:
    if isinstance(error, psycopg2.ProgrammingError):
        return _QUERY  # refused by the driver itself, before the server saw it
    return _by_text(str(error))


def _by_number(error: pymysql.MySQLError) -> Kind:
    number = _number(error)
    if number is not None and number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if not isinstance(error, _OF_THE_SERVER):
        return _QUERY
    return _by_text(str(error)) if number in _OF_THE_CLIENT else UNAVAILABLE


def _number(error: pymysql.MySQLError) -> int | None:
    number: object = error.args[0] if error.args else None
    return number if isinstance(number, int) else None


def _by_text(text: str) -> Kind:
    start = text[:_TEXT_CHARS]
    return next((kind for pattern, kind in _BY_TEXT if re.search(pattern, start)), UNAVAILABLE)
