"""What a slice brings of a stream beside rows: rejects, fields without values, and what is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.sql import SQL, Identifier

from shared.connectors.base import ConfirmLease
from shared.connectors.dataset.refresh import Refresh, RefreshTable, follow_refresh
from shared.connectors.dataset.rejects import Rejected, write_rejects


@dataclass(frozen=True, slots=True)
class Brought:
    """What belongs into the transaction of a merge, or into one of its own if there is no row.

    `carried` are the dataset's names of fields that records had, with or without a value.
    """

    rejected: Rejected
    carried: frozenset[str] = frozenset()
    refresh: Refresh | None = None

    @property
    def needs_transaction(self) -> bool:
        """Tell whether there is something to write although there is no row."""
        return bool(self.rejected.rejects) or self.refresh is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream lands: the schemas by their plain names, the table, and its key."""

    schema: str
    staging_schema: str
    table: str
    key: Sequence[str]

    def refresh_table(self, *, is_staged: bool) -> RefreshTable:
        """Return the table as a refresh knows it."""
        staging_schema = _quoted(self.staging_schema)
        return RefreshTable(
            name=self.table,
            key=self.key,
            target=f"{_quoted(self.schema)}.{_quoted(self.table)}",
            staging_schema=staging_schema,
            staging=f"{staging_schema}.{_quoted(self.table)}" if is_staged else None,
        )


def write_brought(cursor: Cursor, place: Place, brought: Brought, *, is_staged: bool = True) -> int:
    """Write what was brought, in the open transaction; return how many rows were deleted."""
    write_rejects(cursor, _quoted(place.schema), brought.rejected)
    if brought.refresh is None:
        return 0
    return follow_refresh(cursor, place.refresh_table(is_staged=is_staged), brought.refresh)


def write_brought_alone(
    connection: Connection, place: Place, brought: Brought, confirm_lease: ConfirmLease
) -> int:
    """Write what was brought in a transaction of its own; return how many rows were deleted.

    It commits only while the lease is held. The connection holds the turn, and no transaction.
    """
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            _make_schemas(cursor, place)
            deleted = write_brought(cursor, place, brought, is_staged=False)
        confirm_lease()
        connection.commit()
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
    return deleted


def _make_schemas(cursor: Cursor, place: Place) -> None:
    names = [place.schema, place.staging_schema]
    # Asked for first, since IF NOT EXISTS demands the right to make one all the same.
    cursor.execute(
        "SELECT name FROM unnest(CAST(%s AS text[])) AS n (name)"
        " WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = name)",
        (names,),
    )
    missing: list[tuple[Any, ...]] = cursor.fetchall()
    for (name,) in missing:
        cursor.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
