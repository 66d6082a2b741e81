"""A full refresh: rows of the dataset that a run did not bring are deleted at its end.

The keys that a run brings are kept beside the staging tables, each slice's in the transaction of
its merge. The table of keys begins with a row that names its run, so that whoever empties or
replaces it takes away the right to delete by it.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from psycopg2 import DataError
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)
from psycopg2.sql import SQL, Composable, Identifier

from shared.logs import log_event

_log = logging.getLogger(__name__)

# Columns of the dataset have no capital letters, so that none of the key has these names.
_BEGIN = SQL(
    """
DROP TABLE IF EXISTS {seen};
CREATE TABLE {seen} AS
SELECT CAST(NULL AS uuid) AS "Run", CAST(NULL AS boolean) AS "Done", {key} FROM {target} LIMIT 0;
INSERT INTO {seen} ("Run", "Done") VALUES (%(run_id)s, false)
"""
)
# Keys of another type than the dataset's would be rounded, or not be found.
_HAS_TYPES = SQL(
    """
SELECT count(*) = %(parts)s
FROM pg_attribute AS t
JOIN pg_attribute AS s USING (attname, atttypid, atttypmod)
WHERE t.attrelid = to_regclass(%(target)s) AND s.attrelid = to_regclass(%(seen)s)
    AND attname = ANY(%(key)s) AND NOT t.attisdropped AND NOT s.attisdropped
"""
)
_IS_DONE = SQL('SELECT "Done" FROM {seen} WHERE "Run" = %(run_id)s')
_STAGED = SQL("INSERT INTO {seen} ({key}) SELECT {key} FROM {staging}")
_REJECTED = SQL(
    """
INSERT INTO {seen} ({key})
SELECT {key} FROM jsonb_populate_recordset(CAST(NULL AS {seen}), CAST(%(keys)s AS jsonb))
"""
)
_DELETE = SQL("DELETE FROM {target} AS t WHERE NOT EXISTS (SELECT FROM {seen} AS s WHERE {same})")
_END = SQL(
    """
TRUNCATE {seen};
INSERT INTO {seen} ("Run", "Done") VALUES (%(run_id)s, true)
"""
)


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a slice of a run says of a stream that is brought whole.

    The slice `begins` where the stream does, and `ends` where it does; `keys` are those of rejected
    records, by column, as text; `is_spoilt` if a record was rejected of which nobody knows the key.
    """

    run_id: UUID
    begins: bool
    ends: bool
    keys: Sequence[Mapping[str, str]] = field(default_factory=tuple[Mapping[str, str], ...])
    is_spoilt: bool = False


@dataclass(frozen=True, slots=True)
class RefreshTable:
    """A table of the dataset: qualified, quoted names of it and its staging, and its key."""

    name: str
    key: Sequence[str]
    target: str
    staging_schema: str
    staging: str | None
    """None if nothing was staged."""

    @property
    def seen(self) -> str:
        """Return the qualified, quoted name of the table of keys; no stream's has a space."""
        digest = sha256(self.name.encode()).hexdigest()[:12]
        return f'{self.staging_schema}."seen {digest}"'


def follow_refresh(cursor: Cursor, table: RefreshTable, refresh: Refresh) -> int:
    """Keep the keys that a slice brought, and delete the rows that its run did not bring.

    Works in the open transaction, behind the merge; returns the number of rows deleted. Nothing is
    deleted, which is logged, if the keys are not those of the run from its beginning on.
    """
    work = _Work(cursor, table, refresh)
    if not work.has_target():
        return 0
    if refresh.begins:
        work.do(_BEGIN)
    elif not work.is_continued():
        return work.give_up()
    elif work.is_done():
        return 0  # a repeat of the last slice, which was not recorded
    if refresh.is_spoilt or not work.keep_keys():
        return work.give_up()
    return work.delete() if refresh.ends else 0


class _Work:
    """One follow-up under way."""

    def __init__(self, cursor: Cursor, table: RefreshTable, refresh: Refresh) -> None:
        self._cursor = cursor
        self._table = table
        self._refresh = refresh
        self._names: dict[str, Composable] = {
            "seen": SQL(table.seen),
            "target": SQL(table.target),
            "staging": SQL(table.staging or "NULL"),
            "key": SQL(", ").join(map(Identifier, table.key)),
            "same": SQL(" AND ").join(
                SQL("s.{0} = t.{0}").format(Identifier(name)) for name in table.key
            ),
        }

    def do(self, statement: SQL, **parameters: object) -> None:
        """Execute a statement on the tables at hand."""
        given = {"run_id": str(self._refresh.run_id), **parameters}
        self._cursor.execute(statement.format(**self._names), given)

    def has_target(self) -> bool:
        """Tell whether there is a table to delete from."""
        self.do(SQL("SELECT to_regclass(%(name)s) IS NOT NULL"), name=self._table.target)
        return self._cursor.fetchone() == (True,)

    def is_continued(self) -> bool:
        """Tell whether the keys are those that the run has brought until now."""
        table = self._table
        self.do(
            _HAS_TYPES,
            parts=len(table.key),
            target=table.target,
            seen=table.seen,
            key=list(table.key),
        )
        if self._cursor.fetchone() != (True,):
            return False
        self.do(_IS_DONE)
        return self._cursor.rowcount == 1

    def is_done(self) -> bool:
        """Tell whether the run has deleted already."""
        self.do(_IS_DONE)
        return self._cursor.fetchone() == (True,)

    def keep_keys(self) -> bool:
        """Keep the keys of the slice; return False if one of a rejected record has no column."""
        if self._table.staging is not None:
            self.do(_STAGED)
        if not self._refresh.keys:
            return True
        self._cursor.execute("SAVEPOINT keys")
        try:
            self.do(_REJECTED, keys=json.dumps(self._refresh.keys))
        except DataError:
            self._cursor.execute("ROLLBACK TO SAVEPOINT keys")
            return False
        return True

    def delete(self) -> int:
        """Delete the rows that were not brought, and what was kept of the others."""
        self.do(_DELETE)
        deleted = self._cursor.rowcount
        self.do(_END)
        return deleted

    def give_up(self) -> int:
        """Let nobody delete by the keys of this run, nor of one that it came between."""
        self.do(SQL("DROP TABLE IF EXISTS {seen}"))
        if self._refresh.ends:
            log_event(
                _log,
                logging.WARNING,
                "refresh_deleted_nothing",
                "Rows that the source has no more were kept: not all that it has is known",
                run_id=self._refresh.run_id,
                table=self._table.name,
            )
        return 0
