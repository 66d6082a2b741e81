"""Records on their way in: whether they fit their stream's settings, and how far they go."""

from collections.abc import Sequence

from shared.connectors.json_http.answers import Record, is_object
from shared.connectors.json_http.cursor import Cursor, field_of
from shared.connectors.progress import StreamProgress
from shared.connectors.watermarks import CursorValue
from shared.domain.fault import Fault
from shared.errors import PermanentError


def observe(progress: StreamProgress, cursor: Cursor | None, records: Sequence[Record]) -> None:
    """Tell the progress of records.

    Raises `PermanentError` if none of their cursor values is of the configured format, or they
    cannot be compared.
    """
    if cursor is None:
        progress.observe(records)
        return
    field = cursor.config.field
    try:
        progress.observe([{field: value} for value in cursor_values(cursor, records)])
    except TypeError:
        raise PermanentError(
            f"{cursor.stream} has values in {field} that cannot be compared, such as times with and"
            " without a zone: choose another cursor field or format.",
            fault=Fault.SCHEMA,
        ) from None


def check_key(stream: str, primary_key: Sequence[str], records: Sequence[Record]) -> None:
    """Raise `PermanentError` if no record has a field of the primary key: its name is wrong.

    Single records without one are rejected when they are loaded.
    """
    objects = [record for record in records if is_object(record)]
    for name in primary_key:
        if objects and all(record.get(name) is None for record in objects):
            raise PermanentError(
                f"The records of {stream} have no {name}: correct primary_key.",
                fault=Fault.SCHEMA,
            )


def cursor_values(cursor: Cursor, records: Sequence[Record]) -> list[CursorValue | None]:
    """Return the cursor value of each record, None for one that cannot be read.

    Raises `PermanentError` if none of those that are there can be read: the format is wrong.
    """
    values: list[CursorValue | None] = []
    misfit: PermanentError | None = None
    for record in records:
        try:
            values.append(cursor.value_of(record) if is_object(record) else None)
        except PermanentError as error:
            values.append(None)
            misfit = error
    if misfit is not None and all(value is None for value in values):
        raise misfit
    return values


def cursor_misfit(cursor: Cursor | None, records: Sequence[Record]) -> PermanentError | None:
    """Return what is wrong with the cursor of a stream, going by the records of a first page."""
    if cursor is None or not records:
        return None
    try:
        cursor_values(cursor, records)
    except PermanentError as error:
        return error
    field = cursor.config.field
    if any(field_of(record, field) is not None for record in records):
        return None
    return PermanentError(
        f"No record of {cursor.stream}'s first page has {field}: correct the cursor's field.",
        fault=Fault.SCHEMA,
    )
