"""What a load needs of the dataset's table: columns that hold what it brings."""

from collections.abc import Mapping, Sequence

from psycopg2.errors import FeatureNotSupported, QueryCanceled
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.sql import SQL, Composable, Identifier, Literal

from shared.connectors.dataset.landing import (
    NEW_CONNECTOR,
    ColumnChange,
    HeldColumn,
    Landing,
    LoadTable,
    plan_landing,
)
from shared.connectors.dataset.marks import read_mark, write_mark
from shared.errors import PermanentError

_COLUMNS = """
SELECT attrelid = to_regclass(%(target)s), attname, format_type(atttypid, atttypmod),
    col_description(attrelid, attnum)
FROM pg_attribute
WHERE attrelid IN (to_regclass(%(target)s), to_regclass(%(staging)s))
    AND attnum > 0 AND NOT attisdropped
ORDER BY attrelid, attnum
"""


def tables_gone(names: Sequence[str]) -> PermanentError:
    """Return the error that ends a load of which tables, one or more, are gone.

    Made again, they would hold only what is read from the watermark on, and nobody would know.
    """
    several = len(names) > 1
    them = "them" if several else "it"
    return PermanentError(
        f"The dataset's table{'s' if several else ''} {', '.join(names)}"
        f" {'are' if several else 'is'} gone, and with {them} what earlier syncs brought: restore"
        f" {them}, or {NEW_CONNECTOR}."
    )


def fit_columns(cursor: Cursor, table: LoadTable) -> Landing:
    """Let the target hold exactly what was staged; return where its columns land.

    Works in the open transaction. A column that something uses keeps its type, and what it cannot
    hold lands beside it. Raises `PermanentError` if the table or a part of its key is gone, a key
    cannot hold what was staged, or the target cannot be changed.
    """
    held, staged = _columns(cursor, table)
    if not held:
        raise tables_gone([table.name])
    landing = plan_landing(table, held, staged)
    in_use: set[str] = set()
    while not _has_changed(cursor, table, landing):
        in_use |= _in_use(cursor, table, landing.widened)
        landing = plan_landing(table, held, staged, in_use)
    return landing


def _columns(
    cursor: Cursor, table: LoadTable
) -> tuple[Mapping[str, HeldColumn], Mapping[str, str]]:
    held: dict[str, HeldColumn] = {}
    staged: dict[str, str] = {}
    cursor.execute(_COLUMNS, {"target": table.target, "staging": table.staging})
    for is_held, name, kind, comment in cursor.fetchall():
        if is_held:
            held[name] = HeldColumn(kind, read_mark(comment))
        else:
            staged[name] = kind
    return held, staged


def _has_changed(cursor: Cursor, table: LoadTable, landing: Landing) -> bool:
    """Change the columns, all in one pass over the table; False if one is in use.

    Nothing has changed then. Most changes of a type rewrite the table, and nobody reads or writes
    it until the merge has committed: that is the price of one transaction, in which either the old
    values and the new are there or nothing has happened. The load's statement timeout bounds it.
    """
    if not landing.changes and not landing.marks:
        return True
    cursor.execute("SAVEPOINT fit_columns")
    try:
        _alter(cursor, table, landing.changes)
        _mark(cursor, table, landing.marks)
    except FeatureNotSupported:
        if not landing.widened:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT fit_columns")
        return False
    return True


def _in_use(cursor: Cursor, table: LoadTable, widened: Sequence[ColumnChange]) -> set[str]:
    """Return the columns, at least one, whose type cannot be changed since something uses them.

    The server names none, and what may use a column differs by its version: each is tried alone.
    Raises `PermanentError` if one is in the key.
    """
    found = widened
    if len(widened) > 1:
        found = [change for change in widened if _is_in_use(cursor, table, change)] or widened
    key = [change for change in found if change.column in table.key]
    if key:
        raise PermanentError(
            f"{_told(table, key)}, and a view, rule or generated column of the dataset uses the"
            " column: drop it, let a sync run, and make it again."
        )
    return {change.lands_in for change in found}


def _is_in_use(cursor: Cursor, table: LoadTable, change: ColumnChange) -> bool:
    try:
        _alter(cursor, table, [change])
    except FeatureNotSupported:
        return True
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT fit_columns")
    return False


def _alter(cursor: Cursor, table: LoadTable, changes: Sequence[ColumnChange]) -> None:
    actions: list[Composable] = []
    for change in changes:
        kind = SQL(change.becomes)
        if not change.is_new:
            actions.append(SQL("ALTER COLUMN {} TYPE {}").format(Identifier(change.lands_in), kind))
            continue
        actions.append(SQL("ADD COLUMN {} {}").format(Identifier(change.lands_in), kind))
        if change.was is not None:
            # Rows that have their value beside it have none in it.
            actions.append(SQL("ALTER COLUMN {} DROP NOT NULL").format(Identifier(change.column)))
    if not actions:
        return
    try:
        cursor.execute(SQL("ALTER TABLE {} {}").format(SQL(table.target), SQL(", ").join(actions)))
    except QueryCanceled:
        widened = [change for change in changes if not change.is_new]
        if not widened:
            raise
        # Tried again by itself, it would keep readers from a table this large for nothing.
        raise PermanentError(
            f"{_told(table, widened)}, which takes longer than a load may: change it by hand, with"
            " ALTER TABLE."
        ) from None


def _mark(cursor: Cursor, table: LoadTable, marks: Mapping[str, str]) -> None:
    comments = [
        SQL("COMMENT ON COLUMN {}.{} IS {}").format(
            SQL(table.target), Identifier(column), Literal(write_mark(source))
        )
        for column, source in marks.items()
    ]
    if comments:
        cursor.execute(SQL("; ").join(comments))


def _told(table: LoadTable, widened: Sequence[ColumnChange]) -> str:
    told = "; ".join(
        f"{table.name}.{change.lands_in} from {change.was} to {change.becomes}"
        for change in widened
    )
    return f"The dataset has to change {told} to hold the source's values"
