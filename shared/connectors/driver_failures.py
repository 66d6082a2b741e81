"""What the errors of database drivers mean, by SQLSTATE, number or, where there is none, text."""

import re
import sqlite3
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
from shared.domain.fault import Fault
from shared.domain.run import Reason

DriverError = psycopg2.Error | pymysql.MySQLError | sqlite3.Error | NoSuchTableError

_LOGIN = permanent(
    Reason.AUTHORIZATION, "refused the login: check user name and password", Fault.LOGIN
)
_LOCKED = permanent(
    Reason.AUTHORIZATION,
    "refused the login: the account is locked or its password has expired",
    Fault.LOGIN,
)
_PERMISSION = permanent(
    Reason.AUTHORIZATION, "does not permit the user to do this", Fault.PERMISSION
)
_VALUE = permanent(
    Reason.CONFIGURATION, "could not compute one of the values of the query", Fault.SCHEMA
)
_DATABASE = permanent(Reason.CONFIGURATION, "has no such database", Fault.NOT_FOUND)
_TABLE = permanent(Reason.CONFIGURATION, "has no such table or view", Fault.NOT_FOUND)
_COLUMN = permanent(Reason.CONFIGURATION, "has no such column", Fault.SCHEMA)
_QUERY = permanent(Reason.CONFIGURATION, "refused the query", Fault.SCHEMA)
_BUSY = transient(Reason.SOURCE_UNAVAILABLE, "has too many connections", Fault.UNAVAILABLE)
_STOPPING = transient(Reason.SOURCE_UNAVAILABLE, "is shutting down or starting", Fault.UNAVAILABLE)
_DEADLOCK = transient(
    Reason.SOURCE_UNAVAILABLE, "ended the query because of other work", Fault.UNAVAILABLE
)

_OTHER_NAME = permanent(
    Reason.CONFIGURATION,
    "has a certificate for another host name: use a name that stands in it",
    Fault.TLS,
)
_EXPIRED = permanent(
    Reason.CONFIGURATION, "has a certificate that is not valid now: renew it there", Fault.TLS
)
_UNTRUSTED = permanent(
    Reason.CONFIGURATION,
    f"{CERTIFICATE.sentence}: give the certificate of the authority that signed it in tls_ca, or"
    " see whether it has expired",
    Fault.TLS,
)
_NO_TLS = permanent(
    Reason.CONFIGURATION,
    "offers no encrypted connection: switch that on there, or set tls to disable",
    Fault.TLS,
)
_TLS_ONLY = permanent(
    Reason.CONFIGURATION, "takes encrypted connections only: set tls to verify-full", Fault.TLS
)
_CLIENT_CERTIFICATE = permanent(
    Reason.CONFIGURATION,
    "wants a certificate that it knows: give one in tls_certificate, and its key in tls_key",
    Fault.TLS,
)

_NO_SQLITE = permanent(
    Reason.CONFIGURATION, "is no SQLite file, is encrypted, or is damaged", Fault.SCHEMA
)
_NOT_OPENED = permanent(
    Reason.CONFIGURATION, "cannot be opened, or lies in a folder without room for its locks"
)
_UNFINISHED = transient(
    Reason.SOURCE_UNAVAILABLE,
    "is left in the middle of a change: open it with the program that writes it",
    Fault.UNAVAILABLE,
)
_IN_USE = transient(
    Reason.SOURCE_UNAVAILABLE, "is locked by a program that writes it", Fault.UNAVAILABLE
)
_ACTS = permanent(
    Reason.CONFIGURATION, "has a view that does more than read its own tables", Fault.PERMISSION
)
_NOT_UTF8 = permanent(Reason.CONFIGURATION, "holds text that is not UTF-8", Fault.SCHEMA)

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
    (r"no encryption", _TLS_ONLY),
    (
        r"requires a valid client certificate|certificate required|alert unknown ca",
        _CLIENT_CERTIFICATE,
    ),
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
    (r"does not match host name|[Hh]ostname mismatch|IP address mismatch", _OTHER_NAME),
    (r"certificate has expired|certificate is not yet valid", _EXPIRED),
    (r"certificate verify failed|root certificate", _UNTRUSTED),
    (r"does not support SSL|SSL is required but", _NO_TLS),
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
    **dict.fromkeys((2006, 1927, 1317), UNAVAILABLE),
    3159: _TLS_ONLY,
}
"""MySQL and MariaDB: the error number decides."""

_BY_RESULT: Mapping[int, Kind] = {
    sqlite3.SQLITE_AUTH: _ACTS,
    sqlite3.SQLITE_BUSY: _IN_USE,
    sqlite3.SQLITE_CANTOPEN: _NOT_OPENED,
    sqlite3.SQLITE_CORRUPT: _NO_SQLITE,
    sqlite3.SQLITE_INTERRUPT: TIMEOUT,
    sqlite3.SQLITE_IOERR: UNAVAILABLE,
    sqlite3.SQLITE_LOCKED: _IN_USE,
    sqlite3.SQLITE_NOTADB: _NO_SQLITE,
    sqlite3.SQLITE_PERM: _NOT_OPENED,
    sqlite3.SQLITE_PROTOCOL: _IN_USE,
    sqlite3.SQLITE_READONLY_CANTINIT: _UNFINISHED,
    sqlite3.SQLITE_READONLY_CANTLOCK: _UNFINISHED,
    sqlite3.SQLITE_READONLY_RECOVERY: _UNFINISHED,
    sqlite3.SQLITE_READONLY_ROLLBACK: _UNFINISHED,
    sqlite3.SQLITE_SCHEMA: _IN_USE,
    sqlite3.SQLITE_TOOBIG: _VALUE,
}
"""SQLite: its result code decides, the extended one before the primary one."""

_BY_SQLITE_TEXT: tuple[tuple[str, Kind], ...] = (
    (r"no such column", _COLUMN),
    (r"no such table|unknown database", _TABLE),
    (r"unsafe use of", _ACTS),
    (r"[Cc]ould not decode", _NOT_UTF8),
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
            return _TABLE
        case psycopg2.Error() if error.pgcode:
            return _by_sqlstate(error.pgcode, _READING, UNAVAILABLE)
        case psycopg2.Error():
            return _without_sqlstate(error)
        case sqlite3.Error():
            return _by_result(error)
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
        case sqlite3.Error():
            return f"{name} {_result(error)}"
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


def _by_result(error: sqlite3.Error) -> Kind:
    code = _result(error)
    known = _BY_RESULT.get(code, _BY_RESULT.get(code & 0xFF))
    return _by_text(str(error), _BY_SQLITE_TEXT, _QUERY) if known is None else known


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
