"""Pages of a table that only grows, newest first, each of a bounded cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Subquery, and_, select, tuple_

from shared.domain.log_place import LogPlace
from shared.store.rows import Row

Conditions = Sequence[ColumnElement[bool]]

MOST_LOOKED_AT = 5_000
"""How many rows one page looks at when no index knows the whole filter."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Rows in order, and the place after which the next page begins, if there may be one.

    A page may have fewer rows than were asked for, or none, and a next one all the same: then it
    looked at as many as a page may.
    """

    rows: Sequence[Row]
    next_place: LogPlace | None


@dataclass(frozen=True, slots=True)
class Log:
    """The two columns that order a table, newest first: `created_at`, and its key."""

    created_at: Column[Any]
    key: Column[Any]

    def between(
        self, since: datetime | None, until: datetime | None, after: LogPlace | None
    ) -> list[ColumnElement[bool]]:
        """Return the conditions of what was written in `[since, until)`, after a place."""
        conditions: list[ColumnElement[bool]] = []
        if since is not None:
            conditions.append(self.created_at >= since)
        # The nearer of the two ends alone: from the other, an index would be read all the way to
        # it.
        if after is not None and (until is None or after.created_at < until):
            conditions.append(tuple_(self.created_at, self.key) < (after.created_at, after.key))
        elif until is not None:
            conditions.append(self.created_at < until)
        return conditions

    def read(
        self,
        connection: Connection,
        rows_of: Select[*tuple[Any, ...]],
        within: Conditions,
        others: Conditions,
        limit: int,
    ) -> LogPage:
        """Return the newest `limit` rows: those of `rows_of` that fulfil the conditions.

        `within` is what one index knows in the order of the log, `others` what remains. With
        `others` it takes two statements, which have to see the same rows.
        """
        picked = self._pick(within, others, limit + 1)
        query = rows_of.join(picked, picked.c.key == self.key)
        query = query.order_by(self.created_at.desc(), self.key.desc())
        rows = connection.execute(query).mappings().all()
        if len(rows) > limit:
            last = rows[limit - 1]
            return LogPage(rows[:limit], LogPlace(last[self.created_at.name], last[self.key.name]))
        return LogPage(rows, self._frontier(connection, within) if others else None)

    def _pick(self, within: Conditions, others: Conditions, limit: int) -> Subquery:
        """Select the keys of a page; with other conditions, from a bounded number of rows."""
        if not others:
            return self._newest(within).limit(limit).subquery()
        looked_at = self._newest(within).add_columns(and_(*others).label("is_wanted"))
        bounded = looked_at.limit(MOST_LOOKED_AT).subquery()
        return (
            select(bounded.c.key)
            .where(bounded.c.is_wanted)
            .order_by(bounded.c.created_at.desc(), bounded.c.key.desc())
            .limit(limit)
            .subquery()
        )

    def _newest(self, within: Conditions) -> Select[*tuple[Any, ...]]:
        return (
            select(self.key.label("key"), self.created_at.label("created_at"))
            .where(*within)
            .order_by(self.created_at.desc(), self.key.desc())
        )

    def _frontier(self, connection: Connection, within: Conditions) -> LogPlace | None:
        """Return the last place that a page looked at; None if it looked at all that there are."""
        last = self._newest(within).offset(MOST_LOOKED_AT - 1).limit(1)
        row = connection.execute(last).one_or_none()
        return None if row is None else LogPlace(row.created_at, row.key)
