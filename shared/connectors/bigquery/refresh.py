"""A full refresh in BigQuery: rows of the dataset that a run did not bring are deleted at its end.

The keys that a run brings are kept beside the dataset, each slice's in the transaction of its
merge. The table of keys has a row that names its run: whoever takes it away takes away the right to
delete. Whether a deletion is so large that it waits for a second look is decided between two
transactions; nobody else writes meanwhile, or the second one does nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.cloud.bigquery import SchemaField

from shared.connectors.bigquery.names import comparable, literal, quoted
from shared.connectors.dataset.guard import is_held
from shared.connectors.dataset.refresh import Refresh

_RUN, _DONE = "syncline__run", "syncline__done"
_HELD, _HELD_ROWS = "syncline__held", "syncline__held_rows"
"""Columns of the table of keys; a column of a source has no two underscores in a row there."""

_EMPTY = "DELETE FROM {seen} WHERE TRUE;"
_BEGIN = f"""
SET syncline_held = (SELECT MAX({_HELD}) FROM {{seen}});
SET syncline_held_rows = (SELECT MAX({_HELD_ROWS}) FROM {{seen}});
{_EMPTY}
INSERT INTO {{seen}} ({_RUN}, {_DONE}, {_HELD}, {_HELD_ROWS})
VALUES ('{{run_id}}', FALSE, syncline_held, CAST(syncline_held_rows AS INT64));
"""
_STAGED = "INSERT INTO {seen} ({key}) SELECT {values} FROM {staging};"
_REJECTED = """
INSERT INTO {seen} ({key})
SELECT {texts} FROM {aside} WHERE key IS NOT NULL;
"""
# A key of a rejected record that its column cannot take may be that of any row.
_CHECK = """
IF (SELECT COUNT(*) FROM {aside} WHERE key IS NOT NULL AND ({unknown})) > 0 THEN
    DELETE FROM {seen} WHERE TRUE;
END IF;
"""
# The keys of a run that another one came between are not all that the source has.
_GO_ON = f"""
IF (SELECT COUNT(*) FROM {{seen}} WHERE {_RUN} = '{{run_id}}') = 0 THEN
    {_EMPTY}
END IF;
"""
_LOOK = f"""
SELECT
    (SELECT COUNT(*) FROM {{seen}} WHERE {_RUN} = @run_id AND NOT {_DONE}) AS continued,
    (SELECT COUNT(*) FROM {{seen}} WHERE {_RUN} = @run_id AND {_DONE}) AS done,
    (SELECT MAX({_HELD}) FROM {{seen}}) AS held,
    (SELECT MAX({_HELD_ROWS}) FROM {{seen}}) AS held_rows,
    (SELECT COUNT(*) FROM {{target}}) AS total,
    (
        SELECT COUNT(*) FROM {{target}} AS t
        WHERE NOT EXISTS (SELECT 1 FROM {{seen}} AS s WHERE {{same}})
    ) AS gone
"""
_DELETE = """
DELETE FROM {target} t WHERE NOT EXISTS (SELECT 1 FROM {seen} AS s WHERE {same});
SET syncline_deleted = @@row_count;
"""
_END = f"""
{_EMPTY}
INSERT INTO {{seen}} ({_RUN}, {_DONE}, {_HELD}, {_HELD_ROWS})
VALUES ('{{run_id}}', TRUE, {{held}}, {{held_rows}});
"""


@dataclass(frozen=True, slots=True)
class RefreshTable:
    """Names of tables, as SQL has them, and the key with the types of its columns."""

    target: str
    seen: str
    staging: str | None
    """None if nothing was staged."""
    aside: str | None
    """None if no record was rejected."""
    key: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the rows that a run did not bring.

    `statements` say it; `held` are how many of them are kept for a second look. `is_given_up` if
    nobody knows which they are.
    """

    statements: str | None
    held: int = 0
    is_given_up: bool = False


def seen_fields(key: Mapping[str, str]) -> Sequence[SchemaField]:
    """Return the columns of a table of keys."""
    return [
        SchemaField(_RUN, "STRING"),
        SchemaField(_DONE, "BOOL"),
        SchemaField(_HELD, "STRING"),
        SchemaField(_HELD_ROWS, "INT64"),
        *(SchemaField(name, kind) for name, kind in key.items()),
    ]


def keep_statements(table: RefreshTable, refresh: Refresh) -> str:
    """Return the statements that keep the keys of a slice, behind its merge."""
    if refresh.is_spoilt:
        return _filled(_EMPTY, table, refresh)
    statements = [_BEGIN if refresh.begins else _GO_ON]
    if table.staging is not None:
        statements.append(_STAGED)
    if refresh.keys:
        statements += [_REJECTED, _CHECK]
    return "\n".join(_filled(statement, table, refresh) for statement in statements)


def look_statement(table: RefreshTable, refresh: Refresh) -> str:
    """Return the query, with `run_id` as its parameter, that tells what there is to delete."""
    return _filled(_LOOK, table, refresh)


def decide(table: RefreshTable, refresh: Refresh, found: Mapping[str, object]) -> Verdict:
    """Return what to do about the rows that a run did not bring, once it is at its end."""
    continued, done, total, gone = (
        int(str(found[name])) for name in ("continued", "done", "total", "gone")
    )
    if done:
        return Verdict(None)  # a repeat of the last slice, which was not recorded
    if continued != 1:
        return Verdict(_filled(_EMPTY, table, refresh), is_given_up=True)
    is_first_look = found["held"] is None or found["held"] == str(refresh.run_id)
    held_before = None if is_first_look else int(str(found["held_rows"]))
    if is_held(gone, total - gone, held_before):
        held = literal(str(refresh.run_id))
        return Verdict(_filled(_END, table, refresh, held=held, held_rows=str(gone)), held=gone)
    nothing = {"held": "CAST(NULL AS STRING)", "held_rows": "CAST(NULL AS INT64)"}
    return Verdict(_filled(_DELETE, table, refresh) + _filled(_END, table, refresh, **nothing))


def _filled(statement: str, table: RefreshTable, refresh: Refresh, **more: str) -> str:
    texts = {name: _read_text(name, kind) for name, kind in table.key.items()}
    return statement.format(
        seen=table.seen,
        target=table.target,
        staging=table.staging,
        aside=table.aside,
        run_id=refresh.run_id,
        key=", ".join(map(quoted, table.key)),
        values=", ".join(f"CAST({quoted(name)} AS {kind})" for name, kind in table.key.items()),
        texts=", ".join(texts.values()),
        unknown=" OR ".join(f"{text} IS NULL" for text in texts.values()),
        same=" AND ".join(
            f"{comparable(f's.{quoted(name)}', kind)} = {comparable(f't.{quoted(name)}', kind)}"
            for name, kind in table.key.items()
        ),
        **more,
    )


def _read_text(name: str, kind: str) -> str:
    """Return a part of a rejected record's key, of its text; NULL if it is none of its type."""
    text = f"JSON_VALUE(key, {literal(f'$.{name}')})"
    if kind == "BYTES":  # in PostgreSQL's hexadecimal
        return f"FROM_HEX(SUBSTR({text}, 3))"
    return text if kind == "STRING" else f"SAFE_CAST({text} AS {kind})"
