"""What a workspace says about a database connector, checked before it is stored."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Self

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

from shared.connectors.base import ConnectorConfig
from shared.connectors.database.tls import Tls, TlsMode, check_certificates, check_pair
from shared.connectors.database.urls import is_file, kind_of, normalised, parsed

_MAX_IDENTIFIER = 128
_MAX_STREAMS = 200
_MAX_COLUMNS = 1_000
_MAX_KEY = 16
_MAX_LOOK_BACK = 30 * 86_400
_MAX_PEM = 262_144
"""Providers give all of their authorities in one file, which may have a hundred of them."""
_SSLMODE = "sslmode"
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


Certificates = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_MAX_PEM),
    AfterValidator(check_certificates),
]
"""One certificate or more in PEM."""


class SyncMode(StrEnum):
    """What a sync reads of a table."""

    INCREMENTAL = "incremental"
    """The rows whose cursor value is not smaller than the last one that was read."""
    FULL_REFRESH = "full_refresh"
    """All rows; those of the dataset that the table has no more are deleted."""


class StreamConfig(BaseModel):
    """One table or view to sync."""

    model_config = _MODEL

    table: Identifier
    schema_name: Identifier | None = Field(default=None, alias="schema")
    cursor: Identifier | None = None
    """Column that grows with every change. Without one, every sync reads the whole table."""
    sync_mode: SyncMode | None = Field(
        default=None,
        description="If not given: incremental with a cursor, and full_refresh without.",
    )
    look_back_seconds: int = Field(
        default=0,
        ge=0,
        le=_MAX_LOOK_BACK,
        description="For a cursor of dates or times: how far before the last value the next sync"
        " starts, for rows that the source commits late. They are merged, not doubled.",
    )
    primary_key: list[Identifier] | None = Field(
        default=None,
        min_length=1,
        max_length=_MAX_KEY,
        description="If not given: that of the table.",
    )
    columns: list[Identifier] | None = Field(default=None, min_length=1, max_length=_MAX_COLUMNS)
    """Columns to read; all of them if not given."""

    @field_validator("primary_key", "columns")
    @classmethod
    def _check_once(cls, names: list[str] | None) -> list[str] | None:
        return None if names is None else _each_once(names, "column")

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        if self.look_back_seconds and (self.cursor is None or self.is_full_refresh):
            raise ValueError("look_back_seconds is for incremental streams: leave it out")
        if self.sync_mode is SyncMode.INCREMENTAL and self.cursor is None:
            raise ValueError(
                "sync_mode incremental needs a cursor: name one, or choose full_refresh"
            )
        if self.columns is not None:
            needed = [*(self.primary_key or []), *([self.cursor] if self.cursor else [])]
            absent = [name for name in needed if name not in self.columns]
            if absent:
                raise ValueError(
                    "columns leaves out what the sync needs: add "
                    + ", ".join(dict.fromkeys(absent))
                )
        return self

    @property
    def is_full_refresh(self) -> bool:
        """Tell whether every sync brings the whole table."""
        return self.sync_mode is SyncMode.FULL_REFRESH or self.cursor is None

    @property
    def key(self) -> Sequence[str]:
        """Return the primary key, once it is known."""
        return self.primary_key or ()

    def keyed_by(self, key: Sequence[str]) -> Self:
        """Return the settings with a primary key."""
        return self.model_copy(update={"primary_key": list(key)})

    def as_read(self) -> Self:
        """Return the settings to read by: a full refresh goes by the key, and by no cursor."""
        return self.model_copy(update={"cursor": None}) if self.is_full_refresh else self


class DatabaseConfig(ConnectorConfig):
    """A database server or file, how to log in, and the tables to sync."""

    model_config = _MODEL

    url: str = Field(
        min_length=1,
        max_length=1_000,
        examples=[
            "postgresql://reader@db.example.com:5432/shop",
            "mssql://reader@db.example.com:1433/shop",
            "sqlite:///shops/oslo.db",
        ],
    )
    password: SecretStr | None = Field(default=None, max_length=1_024)
    tls: TlsMode | None = Field(
        default=None,
        description="What is asked of the connection. If not given: verify-full to a public address"
        " or with certificates below; else require for SQL Server, and encryption if the server"
        " offers it for the others.",
    )
    tls_ca: Certificates | None = Field(
        default=None,
        description="The authorities to trust instead of the public ones, in PEM.",
    )
    tls_certificate: Certificates | None = Field(
        default=None, description="The certificate to log in with, in PEM."
    )
    tls_key: SecretStr | None = Field(
        default=None, max_length=_MAX_PEM, description="The key of that certificate, in PEM."
    )
    streams: list[StreamConfig] = Field(min_length=1, max_length=_MAX_STREAMS)

    @model_validator(mode="before")
    @classmethod
    def _take_sslmode(cls, given: object) -> object:
        return _without_sslmode(given) if isinstance(given, Mapping) else given

    @field_validator("url")
    @classmethod
    def _normalise_url(cls, text: str) -> str:
        return normalised(text).render_as_string(hide_password=False)

    @field_validator("streams")
    @classmethod
    def _check_streams(cls, streams: list[StreamConfig]) -> list[StreamConfig]:
        # Tables that differ in case or schema alone would share one table of the dataset.
        _each_once([stream.table.casefold() for stream in streams], "table")
        return streams

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        tls = self.tls_options()
        if is_file(make_url(self.url)) and (self.password or tls != Tls()):
            raise ValueError("a file has no login and no encryption: leave out password and tls")
        if tls.certificate is not None and kind_of(make_url(self.url)) == "mssql":
            raise ValueError("SQL Server logs nobody in by certificate: leave out tls_certificate")
        if (tls.certificate is None) != (tls.key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both or none")
        if tls.certificate is not None and tls.key is not None:
            check_pair(tls.certificate, tls.key)
        if tls.mode is TlsMode.DISABLE and tls.certificate is not None:
            raise ValueError("tls disable uses no certificate: leave out tls_certificate")
        if tls.mode in (TlsMode.DISABLE, TlsMode.REQUIRE) and tls.authority is not None:
            raise ValueError(
                f"tls {tls.mode} checks no certificate: leave out tls_ca, or choose verify-full"
            )
        if tls.mode is TlsMode.VERIFY_CA and tls.authority is None:
            raise ValueError(
                "tls verify-ca needs tls_ca: from a public authority anyone gets a certificate for"
                " some host. Give it, or choose verify-full"
            )
        return self

    @classmethod
    def cursors_of(cls, plain: Mapping[str, Any]) -> Mapping[str, str | None]:
        """Return the cursor of each table, by its name, or None if it has none."""
        return {
            stream["table"]: None
            if stream.get("sync_mode") == SyncMode.FULL_REFRESH
            else stream.get("cursor")
            for stream in plain["streams"]
        }

    def engine_url(self) -> URL:
        """Return the URL to connect with, password included: never log it."""
        password = "" if self.password is None else self.password.get_secret_value()
        return make_url(self.url).set(password=password)

    def tls_options(self) -> Tls:
        """Return what is said about encryption, key included: never log it."""
        key = None if self.tls_key is None else self.tls_key.get_secret_value()
        return Tls(self.tls, self.tls_ca, self.tls_certificate, key)


def _without_sslmode(given: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings with the URL's `sslmode`, as libpq knows it, in the field `tls`."""
    url = given.get("url")
    if not isinstance(url, str) or f"{_SSLMODE}=" not in url:
        return given
    plain = parsed(url)
    mode = plain.query.get(_SSLMODE)
    if mode is None:
        return given
    if mode not in list(TlsMode):
        raise ValueError(
            f"the URL's {_SSLMODE} is none of {', '.join(TlsMode)}: leave it out of the URL, and"
            " set the field tls"
        )
    if given.get("tls") not in (None, mode):
        raise ValueError(f"the field tls says otherwise than the URL's {_SSLMODE}: leave that out")
    rest = plain.difference_update_query([_SSLMODE])
    return {**given, "url": rest.render_as_string(hide_password=False), "tls": mode}


def _each_once(names: Sequence[str], noun: str) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"each {noun} may stand once only: {', '.join(twice)[:200]}")
    return list(names)
