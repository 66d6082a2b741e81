"""What a workspace says about a database connector, checked before it is stored."""

import re
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVERS = {
    "postgresql": "postgresql+psycopg2",
    "postgres": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_OPTIONS = {"postgresql": frozenset({"sslmode"}), "mysql": frozenset({"charset"})}
"""Query parameters a URL may have. Others make a driver read files or run statements."""

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_MAX_IDENTIFIER = 128
_MAX_STREAMS = 200
_MAX_COLUMNS = 1_000
_MAX_KEY = 16
_MODEL = ConfigDict(
    extra="forbid",
    frozen=True,
    populate_by_name=True,
    serialize_by_alias=True,
    hide_input_in_errors=True,  # a rejected value may hold a password
)


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("a name has no control characters and no spaces at its ends")
    return name


Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_MAX_IDENTIFIER),
    AfterValidator(_printable),
]
"""The name of a schema, table or column, exactly as the database spells it."""


class StreamConfig(BaseModel):
    """One table or view to sync."""

    model_config = _MODEL

    table: Identifier
    schema_name: Identifier | None = Field(default=None, alias="schema")
    cursor: Identifier | None = None
    """Column that grows with every change. Without one, every sync reads the whole table."""
    primary_key: list[Identifier] = Field(min_length=1, max_length=_MAX_KEY)
    columns: list[Identifier] | None = Field(default=None, min_length=1, max_length=_MAX_COLUMNS)
    """Columns to read; all of them if not given."""

    @field_validator("primary_key", "columns")
    @classmethod
    def _check_once(cls, names: list[str] | None) -> list[str] | None:
        return None if names is None else _each_once(names, "column")

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        if self.columns is not None:
            needed = [*self.primary_key, *([self.cursor] if self.cursor else [])]
            absent = [name for name in needed if name not in self.columns]
            if absent:
                raise ValueError(
                    "columns leaves out what the sync needs: add "
                    + ", ".join(dict.fromkeys(absent))
                )
        return self


class DatabaseConfig(BaseModel):
    """A database server, how to log in, and the tables to sync."""

    model_config = _MODEL

    url: str = Field(
        min_length=1,
        max_length=1_000,
        examples=["postgresql://reader@db.example.com:5432/shop?sslmode=require"],
    )
    password: SecretStr | None = Field(default=None, max_length=1_024)
    streams: list[StreamConfig] = Field(min_length=1, max_length=_MAX_STREAMS)

    @field_validator("url")
    @classmethod
    def _normalise_url(cls, text: str) -> str:
        return _normalised(text).render_as_string(hide_password=False)

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: list[StreamConfig]) -> list[StreamConfig]:
        # Tables that differ in case or schema alone would share one table of the dataset.
        _each_once([stream.table.casefold() for stream in streams], "table")
        return streams

    def engine_url(self) -> URL:
        """Return the URL to connect with, password included: never log it."""
        password = "" if self.password is None else self.password.get_secret_value()
        return make_url(self.url).set(password=password)


def _normalised(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("write it as postgresql://user@host:port/database") from None
    backend = url.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise ValueError(
            f"there is no driver for {backend}; there is postgresql, mysql and mariadb"
        )
    if url.password is not None:
        raise ValueError("it holds a password: leave it out and give it in the field password")
    for part, value in (("user", url.username), ("host", url.host), ("database", url.database)):
        if not value:
            raise ValueError(f"it has no {part}: write it as {backend}://user@host:port/database")
    if not _HOST.fullmatch(url.host or ""):
        raise ValueError("its host is neither a name nor an address")
    allowed = _OPTIONS["postgresql" if backend.startswith("postgres") else "mysql"]
    refused = sorted(set(url.query) - allowed)
    if refused:
        raise ValueError(
            f"it has parameters that are not supported: {', '.join(refused)[:200]};"
            f" supported is {', '.join(sorted(allowed))}"
        )
    return url.set(drivername=_DRIVERS[backend])


def _each_once(names: Sequence[str], noun: str) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"each {noun} may stand once only: {', '.join(twice)[:200]}")
    return list(names)
