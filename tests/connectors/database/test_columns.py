"""A column of a source says how long its values may be, or that no one knows."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Column, create_engine, inspect

from shared.connectors.database.columns import plan_column
from tests.connectors.databases import PASSWORD, MariaDb, Postgres

POSTGRES = {
    "varchar(20)": 20,
    "char(5)": 5,
    "mood": 5,
    "uuid": 36,
    "timetz": 36,
    "varchar": None,
    "text": None,
    "jsonb": None,
    "bytea": None,
    "int[]": None,
    "varchar(20)[]": None,
    "inet": None,
}
MARIADB = {
    "varchar(20)": 20,
    "char(5)": 5,
    "enum('a', 'long')": 4,
    "time(6)": 36,
    "binary(16)": 16,
    "varbinary(20)": 20,
    "set('a', 'b')": None,
    "tinytext": None,
    "longtext": None,
    "blob": None,
    "json": None,
}


def _longest(url: str, dialect: str) -> list[int | None]:
    engine = create_engine(url)
    columns = inspect(engine).get_columns("bounds")
    engine.dispose()
    return [plan_column(Column(one["name"], one["type"]), dialect).longest for one in columns]


def _table(types: Mapping[str, int | None]) -> str:
    columns = (f"c{number} {kind}" for number, kind in enumerate(types))
    return f"CREATE TABLE bounds ({', '.join(columns)})"


def test_values_of_postgresql_are_as_long_as_their_type_allows(source: Postgres) -> None:
    source.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')", _table(POSTGRES))
    url = source.url.replace("postgresql:", "postgresql+psycopg2:")
    assert _longest(url, "postgresql") == list(POSTGRES.values())


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_values_of_mariadb_are_as_long_as_their_type_allows(mariadb: MariaDb) -> None:
    mariadb.execute(_table(MARIADB))
    url = mariadb.url.replace("mariadb:", "mariadb+pymysql:").replace("@", f":{PASSWORD}@")
    assert _longest(url, "mariadb") == list(MARIADB.values())
