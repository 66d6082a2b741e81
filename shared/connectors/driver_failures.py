"""What the errors of database drivers mean, by SQLSTATE, number or, where there is none, text."""

import re
import sqlite3
import ssl
from collections.abc import Mapping, Sequence

import psycopg2
import pymysql
from pytds import tds_base
from sqlalchemy.exc import NoSuchTableError

from shared.connectors.driver_kinds import (
    ACTS,
    BUSY,
    CLIENT_CERTIFICATE,
    COLUMN,
    DATABASE,
    DEADLOCK,
    DRIFT,
    DUPLICATE,
    EXPIRED,
    HELD,
    IN_USE,
    LOCKED,
    LOGIN,
    NO_SQLITE,
    NO_TLS,
    NOT_OPENED,
    NOT_OURS,
    NOT_TAKEN,
    NOT_UTF8,
    OTHER_NAME,
    PERMISSION,
    QUERY,
    SIZE,
    STOPPING,
    TABLE,
    TLS_ONLY,
    UNFINISHED,
    UNTRUSTED,
    VALUE,
)
from shared.connectors.failure_kinds import (
    NAME,
    REFUSED,
    TIMEOUT,
    TLS,
    UNAVAILABLE,
    Kind,
)
from shared.connectors.sqlserver_failures import kind_by_number

DriverError = (
    psycopg2.Error | pymysql.MySQLError | sqlite3.Error | tds_base.Error | NoSuchTableError
)

_READING: Mapping[str, Kind] = {
    "0A": QUERY,
    "21000": VALUE,
    "22": VALUE,
    "23": QUERY,
    "25006": QUERY,
    "28": LOGIN,
    "3D000": DATABASE,
    "3F000": TABLE,
    "40": DEADLOCK,
    "42": QUERY,
    "42501": PERMISSION,
    "42703": COLUMN,
    "42P01": TABLE,
    "53300": BUSY,
    "54": QUERY,
    "55P03": DEADLOCK,
    "57014": TIMEOUT,
    "57P": STOPPING,
    "57P04": DATABASE,
    "P0": QUERY,
}
"""PostgreSQL as a source: the longest prefix of the SQLSTATE decides."""

_LOADING: Mapping[str, Kind] = {
    "0A": DRIFT,
    "21000": DUPLICATE,
    "22": HELD,
    "23": HELD,
    "23505": DUPLICATE,
    "2B": DRIFT,  # somebody's view on a staging table, which cannot be dropped under it
    "42": DRIFT,
    "42501": NOT_OURS,
    # What was missing is there, or what was there is gone. Loads of a connector take turns, so a
    # person did it while one was under way; the next looks anew and makes what it needs.
    **dict.fromkeys(("3F000", "42701", "42710", "42P06", "42P07"), NOT_TAKEN),
    "54": SIZE,
}
"""PostgreSQL as the dataset: the same. Whatever is not here is the deployment's, and passes."""

# libpq gives no SQLSTATE for a connection that did not come to be: its English text is all there
# is, and whatever is not known counts as transient.
_BY_TEXT: tuple[tuple[str, Kind], ...] = (
    (r"no encryption", TLS_ONLY),
    (
        r"requires a valid client certificate|certificate required|alert unknown ca",
        CLIENT_CERTIFICATE,
    ),
    (r"password authentication failed|no password supplied|no pg_hba\.conf entry", LOGIN),
    (r'role ".*" does not exist|is not permitted to log in|authentication failed', LOGIN),
    (r"permission denied for database", PERMISSION),
    (r'database ".*" does not exist', DATABASE),
    (r"too many (clients|connections)|remaining connection slots", BUSY),
    (r"starting up|shutting down|recovery mode", STOPPING),
    (r"could not translate host name|[Nn]ame or service not known", NAME),
    (r"timeout expired|timed out", TIMEOUT),
    (r"[Cc]onnection refused|No route to host|unreachable", REFUSED),
    # An encrypted connection that broke, which is no quarrel about the encryption.
    (r"SSL SYSCALL error|SSL connection has been closed|[Uu]nexpected eof", UNAVAILABLE),
    (r"does not match host name|[Hh]ostname mismatch|IP address mismatch", OTHER_NAME),
    (r"certificate has expired|certificate is not yet valid", EXPIRED),
    (r"certificate verify failed|root certificate", UNTRUSTED),
    (r"does not support SSL|SSL is required but", NO_TLS),
    (r"SSL|certificate", TLS),
)

_BY_NUMBER: Mapping[int, Kind] = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), PERMISSION),
    **dict.fromkeys((1045, 1130, 1251, 1698, 2059, 2061), LOGIN),
    **dict.fromkeys((1820, 1862, 3118, 4151), LOCKED),
    1049: DATABASE,
    **dict.fromkeys((1051, 1109, 1146), TABLE),
    1054: COLUMN,
    # Too many rows to look at, a wrong pattern, collations that do not mix, no such function, a
    # view of what is not there any more or by who is not, a refusal that someone wrote in SQL.
    **dict.fromkeys((1104, 1139, 1267, 1305, 1356, 1449, 1644), QUERY),
    **dict.fromkeys((1242, 1690), VALUE),
    **dict.fromkeys((1040, 1203, 1226), BUSY),
    **dict.fromkeys((1205, 1213), DEADLOCK),
    **dict.fromkeys((1053, 1077, 1079), STOPPING),
    **dict.fromkeys((1969, 3024), TIMEOUT),
    **dict.fromkeys((2006, 1927, 1317), UNAVAILABLE),
    3159: TLS_ONLY,
}
"""MySQL and MariaDB: the error number decides."""

_BY_RESULT: Mapping[int, Kind] = {
    sqlite3.SQLITE_AUTH: ACTS,
    sqlite3.SQLITE_BUSY: IN_USE,
    sqlite3.SQLITE_CANTOPEN: NOT_OPENED,
    sqlite3.SQLITE_CORRUPT: NO_SQLITE,
    sqlite3.SQLITE_INTERRUPT: TIMEOUT,
    sqlite3.SQLITE_IOERR: UNAVAILABLE,
    sqlite3.SQLITE_LOCKED: IN_USE,
    sqlite3.SQLITE_NOTADB: NO_SQLITE,
    sqlite3.SQLITE_PERM: NOT_OPENED,
    sqlite3.SQLITE_PROTOCOL: IN_USE,
    sqlite3.SQLITE_READONLY_CANTINIT: UNFINISHED,
    sqlite3.SQLITE_READONLY_CANTLOCK: UNFINISHED,
    sqlite3.SQLITE_READONLY_RECOVERY: UNFINISHED,
    sqlite3.SQLITE_READONLY_ROLLBACK: UNFINISHED,
    sqlite3.SQLITE_SCHEMA: IN_USE,
    sqlite3.SQLITE_TOOBIG: VALUE,
}
"""SQLite: its result code decides, the extended one before the primary one."""

_BY_SQLITE_TEXT: tuple[tuple[str, Kind], ...] = (
    (r"no such column", COLUMN),
    (r"no such table|unknown database", TABLE),
    (r"unsafe use of", ACTS),
    (r"[Cc]ould not decode", NOT_UTF8),
)

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
            return TABLE
        case psycopg2.Error() if error.pgcode:
            return _by_sqlstate(error.pgcode, _READING, UNAVAILABLE)
        case psycopg2.Error():
            return _without_sqlstate(error)
        case sqlite3.Error():
            return _by_result(error)
        case tds_base.Error():
            return kind_by_number(error)
        case _:
            return _by_number(error)


def tls_kind(error: ssl.SSLError) -> Kind:
    """Return what an error of TLS means, on the way to a database."""
    return _by_text(str(error))


def loading_kind(error: DriverError) -> Kind:
    """Return what an error of a driver means for whoever loads into the dataset.

    Its database is the deployment's, so only what the data and the tables cause is permanent.
    """
    state = error.pgcode if isinstance(error, psycopg2.Error) else None
    return _by_sqlstate(state or "", _LOADING, NOT_TAKEN)


def driver_label(error: DriverError) -> str:
    """Return the error's class with its SQLSTATE or number, and nothing that a server wrote."""
    name = type(error).__name__
    match error:
        case psycopg2.Error() if error.pgcode and _SQLSTATE.fullmatch(error.pgcode):
            return f"{name} {error.pgcode}"
        case pymysql.MySQLError() if (number := _number(error)) is not None:
            return f"{name} {number}"
        case sqlite3.Error():
            return f"{name} {_result(error)}"
        case tds_base.DatabaseError() if error.number:
            return f"{name} {error.number}"
        case _:
            return name


def _by_sqlstate(state: str, table: Mapping[str, Kind], otherwise: Kind) -> Kind:
    prefixes = (state[:length] for length in range(len(state), 1, -1))
    return next((table[prefix] for prefix in prefixes if prefix in table), otherwise)


def _without_sqlstate(error: psycopg2.Error) -> Kind:
    if isinstance(error, psycopg2.ProgrammingError):
        return QUERY  # refused by the driver itself, before the server saw it
    return _by_text(str(error))


def _by_number(error: pymysql.MySQLError) -> Kind:
    number = _number(error)
    if number is not None and number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if not isinstance(error, _OF_THE_SERVER):
        return QUERY
    return _by_text(str(error)) if number in _OF_THE_CLIENT else UNAVAILABLE


def _number(error: pymysql.MySQLError) -> int | None:
    number: object = error.args[0] if error.args else None
    return number if isinstance(number, int) else None


def _by_result(error: sqlite3.Error) -> Kind:
    code = _result(error)
    known = _BY_RESULT.get(code, _BY_RESULT.get(code & 0xFF))
    return _by_text(str(error), _BY_SQLITE_TEXT, QUERY) if known is None else known


def _result(error: sqlite3.Error) -> int:
    """Return SQLite's extended result code; 1, its general one, for an error of the driver's."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def _by_text(
    text: str,
    table: Sequence[tuple[str, Kind]] = _BY_TEXT,
    otherwise: Kind = UNAVAILABLE,
) -> Kind:
    start = text[:_TEXT_CHARS]
    return next((kind for pattern, kind in table if re.search(pattern, start)), otherwise)
