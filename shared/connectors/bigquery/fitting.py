"""What a load needs of its table in BigQuery: that it is there, and holds what was staged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from google.cloud.bigquery import SchemaField, TableReference

from shared.connectors.bigquery.failures import JobFailedError
from shared.connectors.bigquery.names import job_part, quoted
from shared.connectors.bigquery.session import Session
from shared.connectors.bigquery.tables import sql_name, type_of
from shared.connectors.dataset.columns import tables_gone
from shared.connectors.dataset.landing import (
    NEW_CONNECTOR,
    ColumnChange,
    Landing,
    LoadTable,
)
from shared.domain.fault import Fault
from shared.errors import PermanentError

_CLUSTERED = frozenset(
    {"INT64", "NUMERIC", "BIGNUMERIC", "STRING", "BOOL", "DATE", "DATETIME", "TIMESTAMP"}
)
_MOST_CLUSTERED = 4
_CHANGE = "ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {kind}"
_RESERVED = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier")
"""No column's name begins like one of these, whatever its letters' size."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where a load lands, and the type that each column of the table has for it."""

    landing: Landing
    types: Mapping[str, str]


def fit_columns(
    session: Session,
    reference: TableReference,
    table: LoadTable,
    staged: Mapping[str, str],
    *,
    is_continued: bool,
) -> Fitted:
    """Let the table hold exactly what was staged, and make it if the load brings all of it.

    Every change only adds to what the table can hold, so that it may stand before the merge. A
    column whose type BigQuery does not change keeps it, and what it cannot hold lands beside it.
    Raises `PermanentError` if the table or a part of its key is gone, the key cannot hold what was
    staged, or a column can have no such name.
    """
    _check_names(table, staged)
    in_use: set[str] = set()
    while True:
        found = _with_columns(session, reference, table, staged, in_use, is_continued=is_continued)
        landing, fields = found
        types = {field.name: type_of(field) for field in fields}
        kept = _widen(session, reference, landing)
        if kept is None:
            widened = {change.lands_in: change.becomes for change in landing.widened}
            return Fitted(landing, {**types, **widened})
        if kept.column in table.key:
            raise PermanentError(
                f"The dataset has to change {table.name}.{kept.lands_in} from {kept.was} to"
                f" {kept.becomes} to hold the source's values, and BigQuery does not do it: change"
                f" it by hand, or {NEW_CONNECTOR}."
            )
        in_use.add(kept.lands_in)


def _check_names(table: LoadTable, staged: Mapping[str, str]) -> None:
    reserved = [name for name in staged if name.lower().startswith(_RESERVED)]
    if reserved:
        raise PermanentError(
            f"{table.name} has {', '.join(reserved)}, which BigQuery keeps for itself: leave it out"
            " of the stream's columns, or rename it at the source.",
            fault=Fault.SCHEMA,
        )


def _with_columns(
    session: Session,
    reference: TableReference,
    table: LoadTable,
    staged: Mapping[str, str],
    in_use: Collection[str],
    *,
    is_continued: bool,
) -> tuple[Landing, Sequence[SchemaField]]:
    found = session.tables.add_columns(reference, table, staged, in_use)
    if found is None and not is_continued:
        fields = [SchemaField(name, kind) for name, kind in staged.items()]
        clustered = [name for name in table.key if staged.get(name) in _CLUSTERED]
        session.tables.make(reference, fields, key=clustered[:_MOST_CLUSTERED])
        found = session.tables.add_columns(reference, table, staged, in_use)
    if found is None:
        raise tables_gone([table.name])
    return found


def _widen(session: Session, reference: TableReference, landing: Landing) -> ColumnChange | None:
    """Change the types of columns; return the first that BigQuery does not change."""
    for change in landing.widened:
        statement = _CHANGE.format(
            table=sql_name(reference), column=quoted(change.lands_in), kind=change.becomes
        )
        session.confirm_lease()
        try:
            session.jobs.query(f"widen_{job_part(reference.table_id)}", statement)
        except JobFailedError as error:
            if error.reason not in ("invalid", "invalidQuery"):
                raise
            return change
    return None
