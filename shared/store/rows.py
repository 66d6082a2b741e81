"""From rows to values: the few conversions that every query needs."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import RowMapping

Row = RowMapping


def to_json(value: object) -> str:
    """Return JSON text for a `CAST(:x AS jsonb)` parameter; instants and UUIDs become text."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def to_records(rows: Sequence[Mapping[str, object]]) -> str:
    """Return JSON text for `jsonb_to_recordset`: many rows in one parameter."""
    return to_json(list(rows))


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not belong into a database parameter")
