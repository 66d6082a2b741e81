"""The statements that bring what was staged into a table of the dataset."""

from shared.connectors.dataset.landing import Landing, LoadTable
from shared.connectors.dataset.names import quoted


def merge_statement(table: LoadTable, landing: Landing) -> str:
    """Return the statement that merges staging into the table and answers (created, updated).

    A row that is inserted or updated has NULL in the columns that `landing` empties. One of which
    no column of the source differs, dlt's own left aside, is left alone.
    """
    key = ", ".join(quoted(name) for name in table.key)
    values = ", ".join([*map(quoted, landing.columns), *("NULL" for _ in landing.emptied)])
    columns = [*landing.columns.values(), *landing.emptied]
    newest = f", {quoted(table.newest_by)} DESC NULLS LAST" if table.newest_by else ""
    return (
        f"WITH merged AS (INSERT INTO {table.target} AS t ({', '.join(map(quoted, columns))})"
        f" SELECT DISTINCT ON ({key}) {values} FROM {table.staging} ORDER BY {key}{newest}"
        f" ON CONFLICT ({key}) DO {_action(table, landing)}"
        # xmax is 0 in a row that was inserted, and this transaction in one that was updated.
        " RETURNING (t.xmax = 0) AS created)"
        " SELECT count(*) FILTER (WHERE created), count(*) FILTER (WHERE NOT created) FROM merged"
    )


def _action(table: LoadTable, landing: Landing) -> str:
    landed = [name for name in landing.columns.values() if name not in table.key]
    compared = [quoted(name) for name in landed if _is_of_source(name)]
    emptied = [quoted(name) for name in landing.emptied if _is_of_source(name)]
    if not compared and not emptied:
        return "NOTHING"
    assignments = ", ".join(
        f"{name} = excluded.{name}" for name in map(quoted, [*landed, *landing.emptied])
    )
    ours = ", ".join(f"t.{name}" for name in compared)
    theirs = ", ".join(f"excluded.{name}" for name in compared)
    differs = [
        *([f"({ours}) IS DISTINCT FROM ({theirs})"] if compared else []),
        # Not compared with NULL: a column that a person made may have a type without equality.
        *(f"t.{name} IS NOT NULL" for name in emptied),
    ]
    return f"UPDATE SET {assignments} WHERE {' OR '.join(differs)}"


def _is_of_source(column: str) -> bool:
    return not column.startswith("_dlt_")
