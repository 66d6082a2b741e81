"""Rows of dlt's files are staged whole, in statements of a bounded length."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (psycopg2 spells it small)

from shared.errors import PermanentError
from tests.connectors.databases import Postgres

HEAD = 'INSERT INTO {}("id","v")\nVALUES\n'


@pytest.fixture
def cursor(dataset: Postgres) -> Iterator[Cursor]:
    """Return a cursor in a transaction that comes to nothing."""
    with closing(psycopg2.connect(dataset.dsn)) as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


@pytest.mark.parametrize("most", [1, 7, 9, 10, 11, 1_000])
def test_each_row_is_staged_once_wherever_a_statement_ends(
    cursor: Cursor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    from shared.connectors.dataset import staging  # noqa: PLC0415 (dlt is slow to import)

    monkeypatch.setattr(staging, "_STATEMENT_CHARACTERS", most)
    rows = ",\n".join(f"({number},E'),;{{}}%s')" for number in range(20))
    file = tmp_path / "rows"
    file.write_text(f"{HEAD}{rows};")
    place = staging.Place("shop", "shop_staging", 'odd "{}', ["id"])
    staging.make_schemas(cursor, staging.look_at(cursor, place).missing_schemas)
    staging.make_tables(cursor, place, {"id": "bigint", "v": "text"}, with_target=True)
    staging.stage(cursor, place, [file, file])
    cursor.execute(f"SELECT count(*), count(DISTINCT id), min(v) FROM {place.staging}")
    assert cursor.fetchone() == (40, 20, "),;{}%s")


def test_what_is_there_of_a_place_is_told_by_its_exact_names(cursor: Cursor) -> None:
    from shared.connectors.dataset.staging import Found, Place, look_at  # noqa: PLC0415 (as above)

    cursor.execute('CREATE SCHEMA "Shop"')
    cursor.execute('CREATE TABLE "Shop"."odd ""%s" (id int)')
    cursor.execute('CREATE UNIQUE INDEX syncline_key_0123456789ab ON "Shop"."odd ""%s" (id)')
    cursor.execute('CREATE UNIQUE INDEX syncline_key_of_a_person ON "Shop"."odd ""%s" (id)')
    there = look_at(cursor, Place("Shop", "shop_staging", 'odd "%s', ["id"]))
    assert there == Found(True, ["shop_staging"], ["syncline_key_0123456789ab"])
    gone = look_at(cursor, Place("shop", "Shop", 'odd "%s', ["id"]))
    assert gone == Found(False, ["shop"], [])


def test_a_table_that_is_gone_is_an_error_only_if_a_part_of_it_comes() -> None:
    from shared.connectors.dataset.staging import Found, Place, check_target  # noqa: PLC0415 (as above)

    gone, place = Found(False, [], []), Place("shop", "shop_staging", "orders", ["id"])
    check_target(gone, place, is_continued=False)
    with pytest.raises(PermanentError, match="table orders is gone"):
        check_target(gone, place, is_continued=True)
