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

_LOGIN = permanent(Reason.AUTHORIZATION, "refused the login: check user name and password")
_LOCKED = permanent(
    Reason.AUTHORIZATION, "refused the login: the account is locked or its password has expired"
)
_PERMISSION = permanent(Reason.AUTHORIZATION, "does not permit the user to do this")
_VALUE = permanent(Reason.CONFIGURATION, "could not compute one of the values of the query")
_DATABASE = permanent(Reason.CONFIGURATION, "has no such database")
_TABLE = permanent(Reason.CONFIGURATION, "has no such table or view")
_COLUMN = permanent(Reason.CONFIGURATION, "has no such column")
_QUERY = permanent(Reason.CONFIGURATION, "refused the query")
_BUSY = transient(Reason.SOURCE_UNAVAILABLE, "has too many connections")
_STOPPING = transient(Reason.SOURCE_UNAVAILABLE, "is shutting down or starting")
_DEADLOCK = transient(Reason.SOURCE_UNAVAILABLE, "ended the query because of other work")

_HELD = permanent(Reason.CONFIGURATION, "cannot hold one of the values that were read")
_DUPLICATE = permanent(Reason.CONFIGURATION, "found two records with one primary key")
_DRIFT = permanent(
    Reason.CONFIGURATION, "has a table or column that is not as the last sync left it"
)
_SIZE = permanent(
    Reason.CONFIGURATION, "cannot hold records of this size: too many columns, or a key too long"
)
_NOT_TAKEN = transient(Reason.DATASET_UNAVAILABLE, "did not take the load")

_READING: Mapping[str, Kind] = {
    "0A": _QUERY,
    "21000": _VALUE,
    "22": _VALUE,
    "23": _QUERY,
    "25006": _QUERY,
    "28": _LOGIN,
    "3D000": _DATABASE,
    "3F000": _TABLE,
    "40": _DEADLOCK,
    "42": _QUERY,
    "42501": _PERMISSION,
    "42703": _COLUMN,
    "42P01": _TABLE,
    "53300": _BUSY,
    "54": _QUERY,
    "55P03": _DEADLOCK,
    "57014": TIMEOUT,
    "57P": _STOPPING,
    "57P04": _DATABASE,
    "P0": _QUERY,
}
"""PostgreSQL as a source: the longest prefix of the SQLSTATE decides."""

_LOADING: Mapping[str, Kind] = {
    "0A": _DRIFT,
    "21000": _DUPLICATE,
    "22": _HELD,
    "23": _HELD,
    "23505": _DUPLICATE,
    "2B": _DRIFT,  # somebody's view on a staging table, which cannot be dropped under it
    "42": _DRIFT,
    "42501": _PERMISSION,
    # What was missing is there, or what was there is gone. Loads of a connector take turns, so a
    # person did it while one was under way; the next looks anew and makes what it needs.
    **dict.fromkeys(("3F000", "42701", "42710", "42P06", "42P07"), _NOT_TAKEN),
    "54": _SIZE,
}
"""PostgreSQL as the dataset: the same. Whatever is not here is the deployment's, and passes."""

# libpq gives no SQLSTATE for a connection that did not come to be: its English text is all there
# is, and whatever is not known counts as transient.
_BY_TEXT: tuple[tuple[str, Kind], ...] = (
    (r"password authentication failed|no password supplied|no pg_hba\.conf entry", _LOGIN),
    (r'role ".*" does not exist|is not permitted to log in|authentication failed', _LOGIN),
    (r"permission denied for database", _PERMISSION),
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
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), _PERMISSION),
    **dict.fromkeys((1045, 1130, 1251, 1698, 2059, 2061), _LOGIN),
    **dict.fromkeys((1820, 1862, 3118, 4151), _LOCKED),
    1049: _DATABASE,
    **dict.fromkeys((1051, 1109, 1146), _TABLE),
    1054: _COLUMN,
    # Too many rows to look at, a wrong pattern, collations that do not mix, no such function, a
    # view of what is not there any more or by who is not, a refusal that someone wrote in SQL.
    **dict.fromkeys((1104, 1139, 1267, 1305, 1356, 1449, 1644), _QUERY),
    **dict.fromkeys((1242, 1690), _VALUE),
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


def reading_kind(error: DriverError) -> Kind:
    """Return what an error of a driver means for whoever reads from that database."""
    match error:
        case NoSuchTableError():
            return _TABLE
        case psycopg2.Error() if error.pgcode:
            return _by_sqlstate(error.pgcode, _READING, UNAVAILABLE)
        case psycopg2.Error():
            return _without_sqlstate(error)
        case _:
            return _by_number(error)


def loading_kind(error: DriverError) -> Kind:
    """Return what an error of a driver means for whoever loads into the dataset.

    Its database is the deployment's, so only what the data and the tables cause is permanent.
    """
    state = error.pgcode if isinstance(error, psycopg2.Error) else None
    return _by_sqlstate(state or "", _LOADING, _NOT_TAKEN)


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


def _by_sqlstate(state: str, table: Mapping[str, Kind], otherwise: Kind) -> Kind:
    prefixes = (state[:length] for length in range(len(state), 1, -1))
    return next((table[prefix] for prefix in prefixes if prefix in table), otherwise)


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
