"""The tables of a SQLite file arrive in the dataset whole, exact, and once."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from shared.egress.files import FilesRoot
from shared.errors import PermanentError
from tests.connectors.database.readings import Reader, sizes, values
from tests.connectors.databases import Postgres, Shop, SqliteFile, counts, orders, tables

BIG = 9_007_199_254_740_993
"""The first whole number that no double is."""


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    (tmp_path / "shops").mkdir()
    return SqliteFile(tmp_path, "shops/oslo.db")


def _shop(file: SqliteFile, dataset: Postgres, **stream: object) -> Shop:
    return Shop(orders(file.url, **stream), dataset, file.files)  # pyright: ignore[reportArgumentType]


def test_a_first_and_a_later_sync_bring_new_changed_and_sibling_rows(
    file: SqliteFile, dataset: Postgres
) -> None:
    file.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, changed DATETIME)",
        "INSERT INTO orders VALUES (1, 'a', '2024-01-01 10:00:00'), (2, 'b', '2024-01-02'),"
        " (3, 'never', NULL)",
    )
    shop = _shop(file, dataset)
    assert counts(shop.sync()) == (3, 3, 0)
    assert shop.watermarks["orders"].value == {"type": "str", "value": "2024-01-02"}
    file.execute(
        "UPDATE orders SET name = 'A', changed = '2024-02-01' WHERE id = 1",
        "INSERT INTO orders VALUES (4, 'sibling', '2024-01-02')",
    )
    assert counts(shop.sync()) == (4, 1, 1)
    assert shop.loaded("id, name") == [(1, "A"), (2, "b"), (3, "never"), (4, "sibling")]


def test_every_value_arrives_exactly(file: SqliteFile, dataset: Postgres) -> None:
    file.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, money DECIMAL(20,2), size INT, ratio REAL,"
        " flag BOOLEAN, name TEXT, bytes BLOB, mixed INT, day DATE, anything)",
        f"INSERT INTO orders VALUES (9223372036854775807, {BIG}, {BIG}, 0.1, 1, 'æøå 😀', x'00ff',"
        f" {BIG}, '2024-02-29', 0.1)",
        "INSERT INTO orders VALUES (2, 0.1, 1.5, 1e300, 0, x'00ff', NULL, 'seven', 45351.5, 7)",
        "INSERT INTO orders (id, mixed) VALUES (3, 0.1)",
    )
    shop = _shop(file, dataset, cursor=None)
    shop.sync()
    columns = "id, money, size, ratio, flag, name, mixed, day, anything"
    assert shop.loaded(columns) == [
        (2, Decimal("0.1"), Decimal("1.5"), 1e300, 0, "X'00FF'", "seven", "45351.5", 7),
        (3, None, None, None, None, None, "0.1", None, None),
        (2**63 - 1, BIG, BIG, 0.1, 1, "æøå 😀", str(BIG), "2024-02-29", Decimal("0.1")),
    ]
    landed = [None if value is None else bytes(value) for _, value in shop.loaded("id, bytes")]
    assert landed == [None, None, b"\x00\xff"]


def test_whole_numbers_that_get_fractions_later_stay_exact(
    file: SqliteFile, dataset: Postgres
) -> None:
    file.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, changed INT, v INT)")
    file.execute(f"INSERT INTO orders VALUES (1, 1, {BIG})")
    shop = _shop(file, dataset)
    shop.sync()
    file.execute("INSERT INTO orders VALUES (2, 2, 0.5)")
    assert counts(shop.sync()) == (2, 1, 0)
    assert shop.loaded("id, v") == [(1, BIG), (2, Decimal("0.5"))]


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("INTEGER", ["1", "1", "2", "3", "3", "3", "3", "4"]),
        ("DECIMAL(20,2)", ["1", "1.5", "2", "2.25", "2.25", "3", "9007199254740993", "1e300"]),
        ("DATETIME", [f"'2024-01-0{day}'" for day in (1, 1, 2, 3, 3, 3, 4, 5)]),
        ("TEXT COLLATE NOCASE", ["'a'", "'A'", "'b'", "'B'", "'b'", "'c'", "'D'", "'é'"]),
        ("REAL", ["0.1", "0.1", "0.2", "0.30000000000000004", "1", "2", "2", "1e300"]),
    ],
)
@pytest.mark.parametrize("key", ["id INTEGER PRIMARY KEY", "id TEXT PRIMARY KEY"])
def test_slices_read_each_row_once_and_in_order(
    file: SqliteFile, small_pages: int, declared: str, written: list[str], key: str
) -> None:
    file.execute(f"CREATE TABLE orders ({key}, changed {declared})")
    for number, value in enumerate(written, start=10):
        file.execute(f"INSERT INTO orders VALUES ({number}, {value})")
    shop = Shop(orders(file.url), Postgres("", ""), file.files)
    slices = Reader(shop.config, files=file.files).read_run()  # pyright: ignore[reportArgumentType]
    assert sorted(int(one) for one in values(slices, "id")) == list(range(10, 18))
    assert max(sizes(slices)) <= small_pages + 3


def test_many_tables_are_synced_by_one_connector(file: SqliteFile, dataset: Postgres) -> None:
    names = [f"t{number}" for number in range(20)]
    with closing(sqlite3.connect(file.path)) as writer, writer:
        for name in names:
            writer.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
            writer.execute(f"INSERT INTO {name} VALUES (1)")
    shop = Shop(tables(file.url, *names), dataset, file.files)
    assert counts(shop.sync()) == (20, 20, 0)


def test_a_deployment_without_files_says_so(file: SqliteFile, dataset: Postgres) -> None:
    file.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, changed INT)")
    with pytest.raises(PermanentError, match="set SYNCLINE_FILES_ROOT") as refused:
        Shop(orders(file.url), dataset).sync()
    assert refused.value.code == "configuration"


def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    file: SqliteFile, dataset: Postgres
) -> None:
    outside = SqliteFile(file.root, "outside.db")
    outside.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, changed INT)")
    file.path.symlink_to(outside.path)
    shop = Shop(orders("sqlite:///oslo.db"), dataset, FilesRoot(file.path.parent))
    with pytest.raises(PermanentError, match="leads out of the folder"):
        shop.sync()


def test_a_table_or_column_that_is_not_there_is_told(file: SqliteFile, dataset: Postgres) -> None:
    file.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    with pytest.raises(PermanentError, match="orders has no column changed"):
        _shop(file, dataset).sync()
    for stream in ({"table": "nosuch"}, {"schema": "other"}):
        with pytest.raises(PermanentError, match="has no such table or view"):
            _shop(file, dataset, cursor=None, **stream).sync()
