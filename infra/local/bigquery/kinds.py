"""Types of BigQuery and those of PostgreSQL that hold their values; values as JSON has them."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.bigquery.errors import BigQueryError

_STORED: Mapping[str, str] = {
    "INT64": "bigint",
    "NUMERIC": "numeric(38,9)",
    "BIGNUMERIC": "numeric(77,38)",
    "FLOAT64": "double precision",
    "BOOL": "boolean",
    "STRING": "text",
    "BYTES": "bytea",
    "TIMESTAMP": "timestamp with time zone",
    "DATETIME": "timestamp without time zone",
    "DATE": "date",
    "TIME": "time without time zone",
    # Which has no equality in PostgreSQL either.
    "JSON": "json",
}
_LEGACY: Mapping[str, str] = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_TOLD: Mapping[str, str] = {name: legacy for legacy, name in _LEGACY.items()}
_OTHERS: Mapping[str, str] = {"integer": "INT64", "numeric": "NUMERIC", "jsonb": "JSON"}
_KINDS: Mapping[str, str] = {**{stored: name for name, stored in _STORED.items()}, **_OTHERS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stored_type(kind: str) -> str:
    """Return PostgreSQL's type for one of BigQuery, by either of its names."""
    name = _LEGACY.get(kind, kind)
    if name not in _STORED:
        raise BigQueryError("invalid", f"Invalid field type {kind}")
    return _STORED[name]


def told_type(stored: str) -> str:
    """Return the name that BigQuery's API has for what PostgreSQL stores."""
    kind = _KINDS[stored]
    return _TOLD.get(kind, kind)


def loaded(value: Any, stored: str) -> Any:
    """Return a value of a JSON file as PostgreSQL takes it."""
    if value is None:
        return None
    if stored == "bytea":
        return b64decode(value, validate=True)
    if isinstance(value, dict | list):
        raise BigQueryError("invalid", "This field is not a record.")
    return value if isinstance(value, bool) else str(value)


def answered(value: Any) -> str | None:
    """Return a value as an answer of the API has it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case memoryview() | bytes():
            return b64encode(bytes(value)).decode()
        case datetime():
            return value.isoformat() if value.tzinfo is None else str(_microseconds(value))
        case _:
            return repr(value) if isinstance(value, float) else str(value)


def _microseconds(instant: datetime) -> int:
    spent = instant - _EPOCH
    return (spent.days * 86_400 + spent.seconds) * 1_000_000 + spent.microseconds
