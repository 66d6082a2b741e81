"""See, set and reset where the next sync of a stream starts."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.connectors.base import Watermark
from shared.connectors.watermarks import CURSOR_TYPES, CursorValue, decode, is_finite, write_value
from shared.domain.access import Principal
from shared.errors import InvalidInputError, NotFoundError, PermanentError, Problem
from shared.flow.audit import append_change, watermark_change
from shared.flow.sources import type_of
from shared.flow.trigger import RunActiveError
from shared.store.connectors import lock_connector
from shared.store.rows import Row
from shared.store.unread import begin_anew
from shared.store.watermarks import (
    delete_watermark,
    find_reading_run,
    list_watermarks,
    put_watermark,
)
from shared.store.workspaces import lock_workspace

_FORMS = "write it as 42, 12.5, 2026-03-01 or 2026-03-01T08:00:00Z, or say its type"
_FORM_OF: Mapping[str, str] = {
    "int": "write it as 42",
    "decimal": "write it as 12.5",
    "float": "write it as 12.5 or 1.25e1",
    "date": "write it as 2026-03-01",
    "datetime": "write it as 2026-03-01T08:00:00Z",
}
_DAY_WITH_ZONE = re.compile(r"(.+?)(Z|[+-]\d{2}(?::?\d{2})?)", re.ASCII)


def any_marks(_rows: Sequence[Row]) -> None:
    """Take the watermarks as they are."""


def set_watermark(
    engine: Engine,
    principal: Principal,
    connector: UUID,
    stream: str,
    *,
    value: str,
    type_name: str | None = None,
    premise: Callable[[Sequence[Row]], None] = any_marks,
) -> Sequence[Row]:
    """Let the next sync of a stream start at a cursor value, itself included.

    What its source reported and runs could not read is read soon: a stream that was stuck may not
    be any more.
    `value` is as the API shows one; `type_name` is one of `CURSOR_TYPES`, by default that of the
    watermark that is there. Returns all watermarks of the connector. Raises `InvalidInputError`,
    `NotFoundError`, `RunActiveError` while a run reads, and what `premise` does, which is called
    with all watermarks of the connector before the change.
    """
    with engine.begin() as connection:
        row = _held_connector(connection, principal, connector)
        cursor = _cursor_of(row, stream)
        workspace_id = principal.workspace_id
        marks = list_watermarks(connection, workspace_id, row["id"])
        premise(marks)
        known = {mark["stream"]: mark for mark in marks}
        mark = known.get(stream)
        before = None if mark is None else mark["value"]
        wanted = type_name or (None if before is None else before["type"])
        written = _written(value, wanted, before)
        put_watermark(connection, workspace_id, row["id"], stream, cursor=cursor, value=written)
        begin_anew(connection, row["id"])
        marks = list_watermarks(connection, workspace_id, row["id"])
        after = {"cursor": cursor, "value": written}
        change = watermark_change("set_watermark", row, stream, mark, after)
        append_change(connection, principal, change)
        return marks


def reset_stream(
    engine: Engine,
    principal: Principal,
    connector: UUID,
    stream: str,
    *,
    premise: Callable[[Sequence[Row]], None] = any_marks,
) -> None:
    """Let the next sync of a stream read all of it; raises as `set_watermark`.

    What is in the dataset stays: what is read again is merged into it.
    """
    with engine.begin() as connection:
        row = _held_connector(connection, principal, connector)
        marks = list_watermarks(connection, principal.workspace_id, row["id"])
        premise(marks)
        if not delete_watermark(connection, row["id"], stream):
            raise NotFoundError("There is no watermark of such a stream: it is read as a whole.")
        begin_anew(connection, row["id"])
        before = next((mark for mark in marks if mark["stream"] == stream), None)
        change = watermark_change("reset_watermark", row, stream, before, None)
        append_change(connection, principal, change)


def _held_connector(connection: Connection, principal: Principal, connector: UUID) -> Row:
    """Return the connector, of which no run starts or records until the transaction ends."""
    lock_workspace(connection, principal.workspace_id)  # a lease reads watermarks under it, too
    row = lock_connector(connection, principal.workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    run = find_reading_run(connection, row["id"])
    if run is not None:
        # It has read its watermarks, and would write its own over what is set now.
        raise RunActiveError(run)
    return row


def _cursor_of(row: Row, stream: str) -> str:
    type_ = type_of(row)
    cursors = type_.config_model.cursors_of(row["config"])
    if stream not in cursors:
        raise NotFoundError("The connector has no such stream.")
    cursor = cursors[stream]
    if cursor is None:
        raise InvalidInputError(
            Problem(
                "stream",
                "stream_without_cursor",
                "this stream has no cursor, and is read as a whole every time",
                "give it a cursor in the connector's settings",
            )
        )
    return cursor


def _written(value: str, wanted: str | None, before: Mapping[str, str] | None) -> dict[str, str]:
    """Return a value as a watermark holds it; raise `InvalidInputError` if it is not of its type.

    A time without a zone is not one with: which of them the source has, `before` tells.
    """
    names = CURSOR_TYPES[:-1] if wanted is None else [wanted]
    read = next((found for name in names if (found := _read(value, name)) is not None), None)
    if read is None:
        expected = "a number, a date or a time" if wanted is None else f"of the type {wanted}"
        raise _bad_value(f"it is not {expected}", _FORM_OF.get(wanted or "", _FORMS))
    if isinstance(read, datetime) and before is not None and before["type"] == "datetime":
        has_zone = datetime.fromisoformat(before["value"]).tzinfo is not None
        if has_zone is not (read.tzinfo is not None):
            raise _bad_value(
                "the cursor has times with a zone" if has_zone else "the cursor has no time zone",
                f"write it as {read.isoformat()}Z, or with an offset"
                if has_zone
                else f"write it as {read.replace(tzinfo=None).isoformat()}",
            )
    return write_value(read)


def _read(value: str, type_name: str) -> CursorValue | None:
    """Return a value of a type; None if it is none, or stands for an infinity.

    A day with a zone is the time at which it begins there.
    """
    with suppress(PermanentError):
        day = _DAY_WITH_ZONE.fullmatch(value) if type_name == "datetime" else None
        if day is not None and _is_day(day[1]):
            value = f"{date.fromisoformat(day[1])}T00:00:00{day[2]}"
        read = decode(Watermark("", "", {"type": type_name, "value": value}))
        return read if is_finite(read) else None
    return None


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _bad_value(reason: str, hint: str) -> InvalidInputError:
    return InvalidInputError(Problem("value", "watermark_value", reason, hint))
