"""The URL of a source: which parts it has, and the driver that reads it."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVERS: Mapping[str, str] = {
    "postgresql": "postgresql+psycopg2",
    "postgres": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mssql": "mssql+pytds",
    "sqlserver": "mssql+pytds",
    "sqlite": "sqlite",
}
"""By what people write: the dialect and driver that read it."""

_OPTIONS: Mapping[str, frozenset[str]] = {"mysql": frozenset({"charset"})}
"""Query parameters a URL may have. Others make a driver read files or run statements."""

_SQL_SERVER = ("mssql", "sqlserver")
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_FILE_FORM = "write it as sqlite:///folder/file.db, below the folder of this deployment"


def parsed(text: str) -> URL:
    """Return a URL as it stands; raise `ValueError` for what is none."""
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("write it as postgresql://user@host:port/database") from None


def normalised(text: str) -> URL:
    """Return a URL with the driver that is installed; raise `ValueError` if it cannot be used."""
    url = parsed(text)
    backend = url.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise ValueError(
            f"there is no driver for {backend}; there is postgresql, mysql, mariadb, mssql for SQL"
            " Server, and sqlite"
        )
    url = url.set(drivername=DRIVERS[backend])
    if url.password is not None:
        raise ValueError("it holds a password: leave it out and give it in the field password")
    allowed = _OPTIONS.get(kind_of(url), frozenset())
    refused = sorted(set(url.query) - allowed)
    if refused:
        raise ValueError(
            f"it has parameters that are not supported: {', '.join(refused)[:200]};"
            f" supported is {', '.join(sorted(allowed)) or 'none'}"
        )
    if is_file(url):
        _check_file(url)
    else:
        _check_server(url, backend)
    return url


def kind_of(url: URL) -> str:
    """Return which protocol a URL speaks: `postgresql`, `mysql`, `mssql` or `sqlite`."""
    backend = url.get_backend_name()
    return "mysql" if backend == "mariadb" else backend


def is_file(url: URL) -> bool:
    """Tell whether a URL leads to a file of the deployment, and to no server."""
    return kind_of(url) == "sqlite"


def _check_server(url: URL, backend: str) -> None:
    for part, value in (("user", url.username), ("host", url.host), ("database", url.database)):
        if not value:
            raise ValueError(f"it has no {part}: write it as {backend}://user@host:port/database")
    if backend in _SQL_SERVER and re.search(r"[\\,]|%5C|%2C", url.host or "", re.IGNORECASE):
        raise ValueError(
            "its host names an instance, which only the server's own browser finds: give the port"
            f" that the instance listens on, as {backend}://user@host:port/database"
        )
    if not _HOST.fullmatch(url.host or ""):
        raise ValueError("its host is neither a name nor an address")


def _check_file(url: URL) -> None:
    if url.username or url.host or url.port:
        raise ValueError(f"a file has no user and no host: {_FILE_FORM}")
    path = url.database or ""
    if not path or path.startswith(("/", "file:", ":")) or not path.isprintable():
        raise ValueError(f"it names no file below that folder: {_FILE_FORM}")
    if ".." in PurePosixPath(path).parts:
        raise ValueError(f"it leads upwards: {_FILE_FORM}")
