"""A full refresh: rows of the dataset that a run did not bring are deleted at its end.

The keys that a run brings are kept in the staging schema, each slice's in the transaction of its
merge. The table of keys begins with a row that names its run, so that whoever empties or replaces
it takes away the right to delete by it. A deletion that is large enough to be doubted is held, and
done by the next run that finds one as large.
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

from shared.connectors.dataset.guard import is_held
from shared.connectors.dataset.names import quoted
from shared.connectors.dataset.staging import Place
from shared.logs import log_event

_log = logging.getLogger(__name__)

# Columns of the dataset have no capital letters, so that none of the key has these names; "Held" is
# the run whose deletion is held, if there is one, and "Held rows" how many rows that is: they pass
# from each table of keys to the next.
_CREATE = """
CREATE TABLE {seen} AS
SELECT CAST(NULL AS uuid) AS "Run", CAST(NULL AS boolean) AS "Done", CAST(NULL AS uuid) AS "Held",
    CAST(NULL AS bigint) AS "Held rows", {key}
FROM {target} LIMIT 0;
"""
_BEGIN = SQL(
    f"""
DROP TABLE IF EXISTS {{seen}};
{_CREATE}
INSERT INTO {{seen}} ("Run", "Done") VALUES (%(run_id)s, false)
"""
)
_BEGIN_AFTER_ANOTHER = SQL(
    f"""
ALTER TABLE {{seen}} RENAME TO {{before}};
{_CREATE}
INSERT INTO {{seen}} ("Run", "Done", "Held", "Held rows")
SELECT %(run_id)s, false, "Held", "Held rows"
FROM (SELECT) AS one
LEFT JOIN (
    SELECT "Held", "Held rows" FROM {{qualified_before}} WHERE "Held" IS NOT NULL LIMIT 1
) AS h ON true;
DROP TABLE {{qualified_before}}
"""
)
_LOOK = SQL(
    """
SELECT to_regclass(%(target)s) IS NOT NULL,
    EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(%(seen)s) AND attname = 'Held rows' AND NOT attisdropped
    )
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
_HELD = SQL('SELECT "Held", "Held rows" FROM {seen} WHERE "Run" = %(run_id)s')
_STAGED = SQL("INSERT INTO {seen} ({key}) SELECT {key} FROM {staging}")
# The text of an object or a list is what its column reads; that of anything else in a column of
# JSON does not tell what it was, and is refused as no JSON.
_REJECTED = SQL(
    """
INSERT INTO {seen} ({key})
SELECT {key}
FROM jsonb_array_elements(CAST(%(keys)s AS jsonb)) AS one (parts)
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(
        name,
        CASE WHEN atttypid = CAST('jsonb' AS regtype)
            THEN CAST(coalesce(substring(value FROM '^[[{{].*'), '') AS jsonb)
            ELSE to_jsonb(value) END
    ) AS parts
    FROM jsonb_each_text(one.parts) AS part (name, value)
    LEFT JOIN pg_attribute ON attrelid = to_regclass(%(seen)s) AND attname = name
) AS typed
CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS {seen}), typed.parts)
"""
)
_NOT_SEEN = "{target} AS t WHERE NOT EXISTS (SELECT FROM {seen} AS s WHERE {same})"
# A table that was filled in this transaction has no figures by which a join could be planned.
_COUNT_GONE = SQL(f"ANALYZE {{seen}}; SELECT count(*) FROM {_NOT_SEEN}")
# No further than tells whether fewer rows stay than go.
_COUNT = SQL("SELECT count(*) FROM (SELECT FROM {target} LIMIT %(most)s) AS first_rows")
_DELETE = SQL(f"DELETE FROM {_NOT_SEEN}")
_END = SQL(
    """
TRUNCATE {seen};
INSERT INTO {seen} ("Run", "Done", "Held", "Held rows")
VALUES (%(run_id)s, true, %(held)s, %(held_rows)s)
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
class Deletion:
    """How many rows a refresh `deleted`, or `held` for a second look."""

    deleted: int = 0
    held: int = 0


def follow_refresh(
    cursor: Cursor, place: Place, refresh: Refresh, *, is_staged: bool = True
) -> Deletion:
    """Keep the keys that a slice brought, and delete the rows that its run did not bring.

    Works in the open transaction, behind the merge. Nothing is deleted, which is logged, if the
    keys are not those of the run from its beginning on; nor if it `is_held`.
    """
    work = _Work(cursor, place, refresh, is_staged=is_staged)
    has_target, has_marker = work.look()
    if not has_target:
        return Deletion()
    if refresh.begins:
        work.begin(after_another=has_marker)
    elif not has_marker or not work.is_continued():
        return work.give_up()
    elif work.is_done():
        return Deletion()  # a repeat of the last slice, which was not recorded
    if refresh.is_spoilt or not work.keep_keys():
        return work.give_up()
    return work.delete() if refresh.ends else Deletion()


class _Work:
    """One follow-up under way."""

    def __init__(self, cursor: Cursor, place: Place, refresh: Refresh, *, is_staged: bool) -> None:
        digest = sha256(place.table.encode()).hexdigest()[:12]
        schema = quoted(place.staging_schema)
        self._cursor = cursor
        self._place = place
        self._refresh = refresh
        self._is_staged = is_staged
        # No stream's table has a space in its name.
        self._seen = f'{schema}."seen {digest}"'
        self._names: dict[str, Composable] = {
            "seen": SQL(self._seen),
            "before": Identifier(f"seen before {digest}"),
            "qualified_before": SQL(f'{schema}."seen before {digest}"'),
            "target": SQL(place.target),
            "staging": SQL(place.staging),
            "key": SQL(", ").join(map(Identifier, place.key)),
            "same": SQL(" AND ").join(
                SQL("s.{0} = t.{0}").format(Identifier(name)) for name in place.key
            ),
        }

    def do(self, statement: SQL, **parameters: object) -> None:
        """Execute a statement on the tables at hand."""
        given = {"run_id": str(self._refresh.run_id), **parameters}
        self._cursor.execute(statement.format(**self._names), given)

    def look(self) -> tuple[bool, bool]:
        """Tell whether there is a table to delete from, and one of keys that tells what is held."""
        self.do(_LOOK, target=self._place.target, seen=self._seen)
        has_target, has_marker = self._cursor.fetchone() or (False, False)
        return has_target, has_marker

    def begin(self, *, after_another: bool) -> None:
        """Begin a table of keys, and take over what the one before says is held."""
        self.do(_BEGIN_AFTER_ANOTHER if after_another else _BEGIN)

    def is_continued(self) -> bool:
        """Tell whether the keys are those that the run has brought until now."""
        place = self._place
        self.do(
            _HAS_TYPES,
            parts=len(place.key),
            target=place.target,
            seen=self._seen,
            key=list(place.key),
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
        if self._is_staged:
            self.do(_STAGED)
        if not self._refresh.keys:
            return True
        self._cursor.execute("SAVEPOINT keys")
        try:
            self.do(_REJECTED, keys=json.dumps(self._refresh.keys), seen=self._seen)
        except DataError:
            self._cursor.execute("ROLLBACK TO SAVEPOINT keys")
            return False
        return True

    def delete(self) -> Deletion:
        """Delete the rows that were not brought, or hold that; and what was kept of the others."""
        gone = self._count(_COUNT_GONE)
        if not self._is_doubted(gone):
            if gone:
                self.do(_DELETE)
            self.do(_END, held=None, held_rows=None)
            return Deletion(deleted=gone)
        self.do(_END, held=str(self._refresh.run_id), held_rows=gone)
        self._log(
            "refresh_held", "A deletion of most rows is held until another run finds the same"
        )
        return Deletion(held=gone)

    def _is_doubted(self, gone: int) -> bool:
        """Tell whether so many rows would go that it takes a second look, and this is the first."""
        if gone == 0:
            return False
        left = self._count(_COUNT, most=2 * gone + 1) - gone
        self.do(_HELD)
        held, rows = self._cursor.fetchone() or (None, None)
        is_first = str(held) == str(self._refresh.run_id)
        return is_held(gone, left, None if is_first else rows)

    def _count(self, statement: SQL, **parameters: object) -> int:
        self.do(statement, **parameters)
        (count,) = self._cursor.fetchone() or (0,)
        return count

    def give_up(self) -> Deletion:
        """Let nobody delete by the keys of this run, nor of one that it came between."""
        self.do(SQL("DROP TABLE IF EXISTS {seen}"))
        if self._refresh.ends:
            self._log(
                "refresh_deleted_nothing",
                "Rows that the source has no more were kept: not all that it has is known",
            )
        return Deletion()

    def _log(self, event: str, sentence: str) -> None:
        log_event(
            _log,
            logging.WARNING,
            event,
            sentence,
            run_id=self._refresh.run_id,
            table=self._place.table,
        )
