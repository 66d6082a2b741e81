"""The rows of a report, read from a dataset as text: PostgreSQL writes every value exactly."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.connectors.bufdir.config import DatasetConfig, ReportColumn
from shared.domain.fault import Fault
from shared.domain.reporting import Period
from shared.errors import PermanentError

MOST_BYTES = 32 * 1024 * 1024
"""How large a report may be."""

Bound = date | datetime

_COLUMNS = """
SELECT a.attname, t.typname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_MEASURE = """
SELECT count(*), coalesce(sum(octet_length(CAST(row_to_json(r) AS text))), 0) FROM ({rows}) AS r
"""
# By all of what is sent, so that the same data gives the same report.
_JSON = """
SELECT CAST(row_to_json(r) AS text) FROM ({rows}) AS r
ORDER BY CAST(row_to_json(r) AS text) COLLATE "C"
"""
_TEXTS = """
SELECT ARRAY[{texts}] FROM ({rows}) AS r ORDER BY CAST(row_to_json(r) AS text) COLLATE "C"
"""
_ROWS = "SELECT {columns} FROM {table} WHERE {period} >= {start} AND {period} < {end}"


class ReportTable:
    """The table of a dataset that a report is made of; names are checked when it is opened.

    Raises `PermanentError` if the table or one of its columns is not there, or if the column that
    tells the period is no date and no time.
    """

    def __init__(self, cursor: Cursor, schema: str, config: DatasetConfig) -> None:
        self._cursor = cursor
        self._config = config
        self._name = sql.Identifier(schema, config.table)
        cursor.execute(_COLUMNS, (schema, config.table))
        found = cursor.fetchall()
        self._kinds: Mapping[str, str] = {name: kind for name, kind, _, _ in found}
        self.types: Mapping[str, tuple[str, bool]] = {
            name: (shown, not is_required) for name, _, shown, is_required in found
        }
        """What is there, by name: the type as PostgreSQL writes it, and whether it may be null."""
        self._check()

    def json_lines(self, period: Period, zone: ZoneInfo, most_rows: int) -> Sequence[str]:
        """Return each row as a JSON object; raise `PermanentError` if they are too many."""
        rows = self._rows(period, zone)
        self._measure(rows, period, most_rows)
        self._cursor.execute(sql.SQL(_JSON).format(rows=rows))
        return [line for (line,) in self._cursor.fetchall()]

    def texts(
        self, period: Period, zone: ZoneInfo, most_rows: int
    ) -> Sequence[Sequence[str | None]]:
        """Return the texts of each row, in the order of the columns; raises as `json_lines`."""
        rows = self._rows(period, zone)
        self._measure(rows, period, most_rows)
        text = sql.SQL("to_json(r.{name}) #>> ARRAY[]::text[]")
        texts = [text.format(name=sql.Identifier(one.sent_as)) for one in self._config.columns]
        query = sql.SQL(_TEXTS).format(texts=sql.SQL(", ").join(texts), rows=rows)
        self._cursor.execute(query)
        return [row for (row,) in self._cursor.fetchall()]

    def _check(self) -> None:
        config = self._config
        if not self._kinds:
            raise PermanentError(
                f"The dataset has no table {config.table}: sync its connector first, or correct"
                " dataset.table.",
                fault=Fault.NOT_FOUND,
            )
        wanted = [*(column.column for column in config.columns), config.period.column]
        missing = sorted(set(wanted) - self._kinds.keys())
        if missing:
            raise PermanentError(
                f"The dataset's table {config.table} has no {', '.join(missing)[:500]}: correct the"
                " names in dataset.",
                fault=Fault.SCHEMA,
            )
        if self._kinds[config.period.column] not in ("date", "timestamp", "timestamptz"):
            raise PermanentError(
                f"{config.period.column} of {config.table} is no date and no time, so that nothing"
                " says to which period a row belongs: choose another dataset.period.column.",
                fault=Fault.SCHEMA,
            )

    def _rows(self, period: Period, zone: ZoneInfo) -> sql.Composed:
        start, end = self._bounds(period, zone)
        return sql.SQL(_ROWS).format(
            columns=sql.SQL(", ").join(map(_named, self._config.columns)),
            table=self._name,
            period=sql.Identifier(self._config.period.column),
            start=sql.Literal(start),
            end=sql.Literal(end),
        )

    def _bounds(self, period: Period, zone: ZoneInfo) -> tuple[Bound, Bound]:
        match self._kinds[self._config.period.column]:
            case "timestamptz":
                start, end = period.instants(zone)
                return start.astimezone(UTC), end.astimezone(UTC)
            case "timestamp":
                midnight = time()
                return (
                    datetime.combine(period.first_day, midnight),
                    datetime.combine(period.end_day, midnight),
                )
            case _:
                return period.first_day, period.end_day

    def _measure(self, rows: sql.Composed, period: Period, most_rows: int) -> None:
        self._cursor.execute(sql.SQL(_MEASURE).format(rows=rows))
        count, size = self._cursor.fetchone() or (0, 0)
        if count > most_rows:
            raise PermanentError(
                f"The report for {period.label} would have {count} rows, and may have {most_rows}:"
                " report a shorter period, or a table with fewer rows."
            )
        if size > MOST_BYTES:
            raise too_large(period)


def too_large(period: Period) -> PermanentError:
    """Return the error of a report that is larger than one request may be."""
    return PermanentError(
        f"The report for {period.label} would be larger than {MOST_BYTES // 1024**2} MiB: send"
        " fewer columns, or report a shorter period."
    )


def _named(column: ReportColumn) -> sql.Composed:
    names = sql.Identifier(column.column), sql.Identifier(column.sent_as)
    return sql.SQL("{} AS {}").format(*names)
