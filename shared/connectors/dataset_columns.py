"""What a load needs of the dataset: tables that are there, and columns that hold what it brings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from psycopg2.errors import FeatureNotSupported, QueryCanceled
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import quote_ident

from shared.connectors.dataset_types import needed_type
from shared.errors import PermanentError

_COLUMNS = """
SELECT attrelid = to_regclass(%(target)s), attname, format_type(atttypid, atttypmod)
FROM pg_attribute
WHERE attrelid IN (to_regclass(%(target)s), to_regclass(%(staging)s))
    AND attnum > 0 AND NOT attisdropped
ORDER BY attrelid, attnum
"""
_MISSING = """
SELECT name
FROM unnest(CAST(%s AS text[]), CAST(%s AS text[])) AS t (name, qualified)
WHERE to_regclass(qualified) IS NULL
"""
_NEW_CONNECTOR = "load everything again with a new connector"


@dataclass(frozen=True, slots=True)
class LoadTable:
    """One table of a load: its name and key, and its qualified, quoted names to and from."""

    name: str
    key: Collection[str]
    target: str
    staging: str


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What a column of the dataset has to become: `was` is its type, None if there is no column."""

    column: str
    was: str | None
    becomes: str


def missing_tables(connection: Connection, qualified: Mapping[str, str]) -> set[str]:
    """Return which of these tables are not there, by name; `qualified` has their quoted names."""
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, (list(qualified), list(qualified.values())))
        return {name for (name,) in cursor.fetchall()}


def tables_gone(names: Sequence[str]) -> PermanentError:
    """Return the error that ends a load of which tables, one or more, are gone.

    Made again, they would hold only what is read from the watermark on, and nobody would know.
    """
    several = len(names) > 1
    them = "them" if several else "it"
    return PermanentError(
        f"The dataset's table{'s' if several else ''} {', '.join(names)}"
        f" {'are' if several else 'is'} gone, and with {them} what earlier syncs brought: restore"
        f" {them}, or {_NEW_CONNECTOR}."
    )


def fit_columns(connection: Connection, table: LoadTable) -> Sequence[ColumnChange]:
    """Let the target hold exactly what was staged; return how its columns changed.

    Works in the open transaction. Raises `PermanentError` if a value would not stay what it is on
    its way into the target, or the target cannot be changed.
    """
    held: dict[str, str] = {}
    staged: dict[str, str] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, {"target": table.target, "staging": table.staging})
        for is_held, name, kind in cursor.fetchall():
            (held if is_held else staged)[name] = kind
    changes = column_changes(table, held, staged)
    if changes:
        _change(connection, table, changes)
    return changes


def column_changes(
    table: LoadTable, held: Mapping[str, str], staged: Mapping[str, str]
) -> Sequence[ColumnChange]:
    """Return how the target's columns have to change, from the types of both tables' columns.

    A column that is not there is made, empty in the rows that are. Raises `PermanentError`
    if the table or a part of its key is gone, or a type cannot be changed without a loss.
    """
    _check_target(table, held, staged)
    needed = {
        name: needed_type(held[name], kind) if name in held else kind
        for name, kind in staged.items()
    }
    misfits = {name: staged[name] for name, kind in needed.items() if kind is None}
    if misfits:
        raise PermanentError(_misfits_told(table, held, misfits))
    return [
        ColumnChange(name, held.get(name), kind)
        for name, kind in needed.items()
        if kind is not None and kind != held.get(name)
    ]


def _check_target(table: LoadTable, held: Mapping[str, str], staged: Mapping[str, str]) -> None:
    if not held:
        raise tables_gone([table.name])
    lost = [name for name in staged if name in table.key and name not in held]
    if lost:
        raise PermanentError(
            f"The dataset's table {table.name} has no {', '.join(lost)}, which is in the primary"
            f" key: restore the column, or {_NEW_CONNECTOR}."
        )


def _misfits_told(table: LoadTable, held: Mapping[str, str], misfits: Mapping[str, str]) -> str:
    told = "; ".join(
        f"{table.name}.{name} is {held[name]} there, and arrives as {kind}"
        for name, kind in misfits.items()
    )
    if any(name in table.key for name in misfits):
        remedy = f"It is in the primary key: {_NEW_CONNECTOR}"
    else:
        remedy = (
            "Rename the column in the dataset, and the next sync adds a new one beside it; or leave"
            " it out of the connector's columns"
        )
    return f"The dataset cannot hold every value exactly: {told}. {remedy}."


def _change(connection: Connection, table: LoadTable, changes: Sequence[ColumnChange]) -> None:
    """Change the columns, all in one pass over the table.

    Exact by `needed_type`. Most changes of a type rewrite the table, and nobody reads or writes it
    until the merge has committed: that is the price of one transaction, in which either the old
    values and the new are there or nothing has happened. The load's statement timeout bounds it.
    """
    actions: list[str] = []
    for change in changes:
        column = quote_ident(change.column, connection)
        action = f"ADD COLUMN {column}" if change.was is None else f"ALTER COLUMN {column} TYPE"
        actions.append(f"{action} {change.becomes}")
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table.target} {', '.join(actions)}")
    except FeatureNotSupported:
        raise PermanentError(
            f"{_told(table, changes)}, and a view, rule or generated column of the dataset uses the"
            " column: drop it, let a sync run, and make it again."
        ) from None
    except QueryCanceled:
        # Tried again by itself, it would keep readers from a table this large for nothing.
        raise PermanentError(
            f"{_told(table, changes)}, which takes longer than a load may: change it by hand, with"
            " ALTER TABLE."
        ) from None


def _told(table: LoadTable, changes: Sequence[ColumnChange]) -> str:
    told = "; ".join(
        f"{table.name}.{change.column} from {change.was} to {change.becomes}"
        for change in changes
        if change.was is not None
    )
    return f"The dataset has to change {told} to hold the source's values"
