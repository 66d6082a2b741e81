"""A column of SQLite lands by its declared type if every value fits that, and else as text."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, inspect

from shared.connectors.database.columns import plan_column
from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.engine import source_engine
from shared.connectors.database.plans import Kind
from shared.connectors.database.sqlite_dialect import SourceDialect
from shared.connectors.database.sqlite_types import BLOB, INTEGER, REAL, TEXT, stored_type
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import TransientError
from tests.connectors.database.readings import Reader
from tests.connectors.databases import SqliteFile, orders

_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.binary(),
)
_DECLARED = ("INTEGER", "BOOLEAN", "DECIMAL(10,2)", "DOUBLE", "TEXT", "BLOB", "DATETIME", "")


def _plans(file: SqliteFile, table: str = "orders") -> dict[str, Any]:
    config = DatabaseConfig.model_validate(orders(file.url))
    engine = source_engine(config, Guard(), Lines(), file.files)
    with engine.connect() as connection:
        columns = inspect(connection).get_columns(table)
    return {one["name"]: plan_column(Column(one["name"], one["type"]), "sqlite") for one in columns}


@pytest.mark.parametrize(
    ("declared", "classes", "kind"),
    [
        ("INTEGER", "", Kind.BIGINT),
        ("bigint unsigned", "i", Kind.BIGINT),
        ("INT", "ir", Kind.DECIMAL),
        ("INT", "r", Kind.DECIMAL),
        ("INT", "it", Kind.TEXT),
        ("INT", "t", Kind.TEXT),
        ("BOOLEAN", "i", Kind.BIGINT),
        ("DECIMAL(10,2)", "", Kind.DECIMAL),
        ("DECIMAL(10,2)", "i", Kind.DECIMAL),
        ("NUMERIC", "r", Kind.DECIMAL),
        ("NUMERIC", "rt", Kind.TEXT),
        ("REAL", "", Kind.DOUBLE),
        ("DOUBLE PRECISION", "r", Kind.DOUBLE),
        ("FLOAT", "i", Kind.DECIMAL),
        ("FLOAT", "rb", Kind.TEXT),
        ("VARCHAR(20)", "", Kind.TEXT),
        ("TEXT", "b", Kind.TEXT),
        ("TEXT", "i", Kind.TEXT),
        ("CLOB", "tb", Kind.TEXT),
        ("BLOB", "", Kind.BINARY),
        ("BLOB", "b", Kind.BINARY),
        ("BLOB", "i", Kind.BIGINT),
        ("BLOB", "tb", Kind.TEXT),
        ("DATETIME", "", Kind.TEXT),
        ("DATETIME", "t", Kind.TEXT),
        ("DATETIME", "i", Kind.DECIMAL),
        ("UUID", "b", Kind.BINARY),
        ("JSON", "t", Kind.TEXT),
        ("", "", Kind.TEXT),
        ("", "i", Kind.BIGINT),
        ("", "r", Kind.DOUBLE),
        ("", "ir", Kind.DECIMAL),
        ("", "b", Kind.BINARY),
        ("", "irtb", Kind.TEXT),
    ],
)
def test_the_declared_type_decides_unless_a_value_does_not_fit(
    declared: str, classes: str, kind: Kind
) -> None:
    names = {"i": INTEGER, "r": REAL, "t": TEXT, "b": BLOB}
    assert stored_type(declared, frozenset(names[one] for one in classes)).kind is kind


def test_a_column_is_known_by_the_type_that_it_was_given(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path)
    file.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, price DECIMAL(10, 2), thing)")
    engine = source_engine(
        DatabaseConfig.model_validate(orders(file.url)), Guard(), Lines(), file.files
    )
    with engine.connect() as connection:
        types = [str(one["type"]) for one in inspect(connection).get_columns("orders")]
    assert types == ["INTEGER", "DECIMAL(10, 2)", ""]


def test_text_of_one_class_is_a_cursor_and_a_mixture_is_none(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path)
    file.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME, mixed DATETIME, bytes BLOB)",
        "INSERT INTO orders VALUES (1, '2024-01-01', 1704067200, x'00'), (2, NULL, 'later', NULL)",
    )
    plans = _plans(file)
    assert [(plan.exact, plan.finds_row) for plan in plans.values()] == [
        (True, True),
        (True, True),
        (False, False),
        (True, False),
    ]


def test_a_view_and_a_generated_column_land_as_their_values(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path)
    file.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, half AS (id / 2.0))",
        "INSERT INTO orders (id) VALUES (1)",
        "CREATE VIEW sums AS SELECT count(*) AS n, max(half) AS half, 'x' AS name FROM orders",
    )
    assert [plan.kind for plan in _plans(file).values()] == [Kind.BIGINT, Kind.DOUBLE]
    assert [plan.kind for plan in _plans(file, "sums").values()] == [
        Kind.BIGINT,
        Kind.DOUBLE,
        Kind.TEXT,
    ]


@pytest.mark.parametrize("kind", [Kind.BIGINT, Kind.DOUBLE, Kind.DECIMAL, Kind.BINARY])
def test_a_value_that_came_while_the_file_was_read_is_not_bent_to_its_column(kind: Kind) -> None:
    classes = {Kind.BIGINT: INTEGER, Kind.DOUBLE: REAL, Kind.DECIMAL: REAL, Kind.BINARY: BLOB}
    declared = "DECIMAL" if kind is Kind.DECIMAL else ""
    read = stored_type(declared, frozenset({classes[kind]})).result_processor(SourceDialect(), None)
    with pytest.raises(TransientError, match="The file changed while it was read"):
        read("text")


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(declared=st.sampled_from(_DECLARED), values=st.lists(_VALUES, max_size=6))
def test_every_value_can_be_told_from_what_it_landed_as(
    tmp_path: Path, declared: str, values: list[Any]
) -> None:
    file = SqliteFile(tmp_path)
    with closing(sqlite3.connect(file.path)) as writer, writer:
        writer.execute("DROP TABLE IF EXISTS orders")
        writer.execute(f"CREATE TABLE orders (id INTEGER PRIMARY KEY, v {declared})")
        writer.executemany("INSERT INTO orders (v) VALUES (?)", [(value,) for value in values])
        stored = [value for (value,) in writer.execute("SELECT v FROM orders ORDER BY id")]
    config = DatabaseConfig.model_validate(orders(file.url, cursor=None))
    landed = [row["v"] for row in Reader(config, files=file.files).read(lambda: True)]
    assert [_as_stored(one, like) for one, like in zip(landed, stored, strict=True)] == stored


def _as_stored(landed: Any, like: Any) -> Any:
    """Return a value that landed as the class that SQLite has for it."""
    match like:
        case None:
            return landed
        case bytes() if landed.startswith("X'"):
            return bytes.fromhex(landed[2:-1])
        case bytes():
            return bytes.fromhex(landed.removeprefix("\\x"))
        case int():
            return int(Decimal(landed))
        case float():
            return float(landed)
        case _:
            return landed
