"""The statements that bring what was staged into a table of BigQuery, and count what they did."""

from collections.abc import Mapping, Sequence

from shared.connectors.bigquery.names import comparable, quoted
from shared.connectors.dataset.landing import Landing, LoadTable

_SCRIPT = """
DECLARE syncline_before, syncline_after, syncline_merged, syncline_deleted INT64 DEFAULT 0;
DECLARE syncline_held STRING;
DECLARE syncline_held_rows INT64;
BEGIN TRANSACTION;
{statements}
COMMIT TRANSACTION;
SELECT
    syncline_after - syncline_before AS created,
    syncline_merged - (syncline_after - syncline_before) AS updated,
    syncline_deleted AS deleted;
"""
_MERGE = """
SET syncline_before = (SELECT COUNT(*) FROM {target});
MERGE {target} AS t
USING (
    SELECT {values} FROM (
        SELECT * FROM {staging} WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (PARTITION BY {key}{order}) = 1
    )
) AS s
ON {same}
{matched}
WHEN NOT MATCHED THEN INSERT ({landed}) VALUES ({brought});
SET syncline_merged = @@row_count;
SET syncline_after = (SELECT COUNT(*) FROM {target});
"""


def script(statements: Sequence[str]) -> str:
    """Return the script that does all of the statements or nothing, and answers with counts."""
    return _SCRIPT.format(statements="\n".join(statements))


def merge_statements(table: LoadTable, landing: Landing, types: Mapping[str, str]) -> str:
    """Return the statements that merge staging into the table and count.

    `types` are those that the table's columns have. A row that is inserted or updated has NULL in
    the columns that `landing` empties. One of which no column of the source differs, the loader's
    own left aside, is left alone. A merge only inserts and updates, so that the number of rows
    tells how many it inserted.
    """
    columns = landing.columns
    key = [columns[name] for name in columns if name in table.key]
    staged_key = ", ".join(
        comparable(quoted(name), types[columns[name]]) for name in columns if name in table.key
    )
    newest = f" ORDER BY {quoted(table.newest_by)} DESC" if table.newest_by else ""
    return _MERGE.format(
        target=table.target,
        staging=table.staging,
        values=", ".join(
            f"{_landed(name, types[column])} AS {quoted(column)}"
            for name, column in columns.items()
        ),
        key=staged_key,
        order=newest,
        same=" AND ".join(
            f"{comparable(f't.{quoted(name)}', types[name])}"
            f" = {comparable(f's.{quoted(name)}', types[name])}"
            for name in key
        ),
        matched=_matched(table, landing, types),
        landed=", ".join(map(quoted, columns.values())),
        brought=", ".join(f"s.{quoted(name)}" for name in columns.values()),
    )


def _landed(name: str, kind: str) -> str:
    """Return a staged value as its column takes it."""
    if kind == "JSON":
        return f"PARSE_JSON({quoted(name)}, wide_number_mode => 'exact')"
    return f"CAST({quoted(name)} AS {kind})"


def _matched(table: LoadTable, landing: Landing, types: Mapping[str, str]) -> str:
    landed = [name for name in landing.columns.values() if name not in table.key]
    assigned = [
        *(f"{quoted(name)} = s.{quoted(name)}" for name in landed),
        *(f"{quoted(name)} = NULL" for name in landing.emptied),
    ]
    differs = [
        *(_differs(name, types[name]) for name in landed if _is_of_source(name)),
        *(f"t.{quoted(name)} IS NOT NULL" for name in landing.emptied if _is_of_source(name)),
    ]
    if not differs:
        return ""
    return f"WHEN MATCHED AND ({' OR '.join(differs)}) THEN UPDATE SET {', '.join(assigned)}"


def _differs(name: str, kind: str) -> str:
    ours, theirs = f"t.{quoted(name)}", f"s.{quoted(name)}"
    if kind == "JSON":  # which has no equality
        ours, theirs = f"TO_JSON_STRING({ours})", f"TO_JSON_STRING({theirs})"
    return f"{ours} IS DISTINCT FROM {theirs}"


def _is_of_source(column: str) -> bool:
    return not column.startswith("_dlt_")
