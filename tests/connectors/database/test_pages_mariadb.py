"""A MariaDB table read in slices is read whole and once, whatever its cursor and key are."""

import pytest

from tests.connectors.database.readings import Reader, reader, sizes, values
from tests.connectors.databases import PASSWORD, MariaDb, never_has_time

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name varchar(20), changed int)"
ROWS = "INSERT INTO orders SELECT seq, concat('n', seq), seq DIV 3 FROM seq_1_to_7"
# Some of a version that the server orders by time, some of one that it orders by text.
UUIDS = "concat(9 - seq, '2345678-', seq, '234-', elt(1 + seq % 2, 1, 4), '234-8234-123456789abc')"
WORDS = "elt(seq, 'a', 'B', 'É', 'o''x', 'ü', 'ñ\\\\', 'z')"


def _reader(source: MariaDb, **stream: object) -> Reader:
    return reader(source.url, password=PASSWORD, **stream)


@pytest.mark.usefixtures("small_pages")
def test_a_slice_ends_at_the_first_page_after_its_time_and_the_next_goes_on_behind_it(
    mariadb: MariaDb,
) -> None:
    mariadb.execute(TABLE, ROWS)
    table = _reader(mariadb)
    assert [values([rows], "id") for rows in table.read_run()] == [[1, 2, 3], [4, 5, 6], [7]]
    assert table.marks == ["1", "2", "2"]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("rows", [0, 1, 3, 4])
@pytest.mark.parametrize("cursor", ["changed", None])
def test_rows_that_share_one_cursor_value_are_split_between_slices(
    mariadb: MariaDb, rows: int, cursor: str | None
) -> None:
    mariadb.execute(TABLE, f"INSERT INTO orders SELECT seq, 'n', 7 FROM seq_1_to_7 LIMIT {rows}")
    slices = _reader(mariadb, cursor=cursor).read_run()
    assert values(slices, "id") == list(range(1, rows + 1))
    assert len(slices) == max(1, -(-rows // 3))


@pytest.mark.usefixtures("small_pages")
def test_rows_without_a_cursor_value_come_first_and_are_split_too(mariadb: MariaDb) -> None:
    mariadb.execute(TABLE, ROWS, "UPDATE orders SET changed = NULL WHERE id > 3")
    table = _reader(mariadb)
    slices = table.read_run()
    assert [values([rows], "id") for rows in slices] == [[4, 5, 6], [7], [1, 2, 3]]
    assert table.marks == [None, None, "1"]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("columns", "key", "chosen"),
    [
        ("uid uuid PRIMARY KEY", ["uid"], UUIDS),
        ("word varchar(20) COLLATE utf8mb4_uca1400_ai_ci PRIMARY KEY", ["word"], WORDS),
        ("word varchar(255) COLLATE utf8mb4_bin PRIMARY KEY", ["word"], WORDS),
        ("word char(20) CHARACTER SET latin1 PRIMARY KEY", ["word"], WORDS),
        ("big bigint unsigned PRIMARY KEY", ["big"], "18446744073709551615 - seq"),
        ("tiny tinyint PRIMARY KEY", ["tiny"], "3 - CAST(seq AS SIGNED)"),
        ("n decimal(40,20) PRIMARY KEY", ["n"], "12345678901234567890.00000000000000000001 * seq"),
        ("day date PRIMARY KEY", ["day"], "'2024-02-27' + INTERVAL seq DAY"),
        ("at datetime(6) PRIMARY KEY", ["at"], "'2024-03-31' + INTERVAL seq MICROSECOND"),
        ("at timestamp(6) PRIMARY KEY", ["at"], "'2024-04-01' + INTERVAL seq MICROSECOND"),
        ("span time(6) PRIMARY KEY", ["span"], "subtime('0:0:0.000004', concat('0.00000', seq))"),
        (
            "flag bool, word varchar(9) COLLATE utf8mb4_bin, n int, PRIMARY KEY (flag, word, n)",
            ["flag", "word", "n"],
            "seq % 2 = 0, elt(1 + seq % 2, 'a', 'B'), seq",
        ),
        ("a int, b int, PRIMARY KEY (b, a)", ["b", "a"], "seq, seq % 2"),
        ("a int, b int", ["a", "b"], "seq % 4, seq"),
    ],
)
def test_a_key_of_any_ordered_type_splits_a_table(
    mariadb: MariaDb, columns: str, key: list[str], chosen: str
) -> None:
    mariadb.execute(
        f"CREATE TABLE orders ({columns}, row int, changed int)",
        f"INSERT INTO orders SELECT {chosen}, seq, seq DIV 5 FROM seq_1_to_7",
    )
    for cursor, order in (("changed", ["changed", *key]), (None, key)):
        slices = _reader(mariadb, cursor=cursor, primary_key=key).read_run()
        assert sizes(slices) == [3, 3, 1]
        in_order = mariadb.rows(f"SELECT row FROM orders ORDER BY {', '.join(order)}")
        assert values(slices, "row") == [row for (row,) in in_order]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("int", "seq DIV 4"),
        ("bigint unsigned", "18446744073709551600 + seq DIV 4"),
        ("decimal(30,21)", "1.000000000000000000001 * (seq DIV 4)"),
        ("double", "0.1 * (seq DIV 4)"),
        ("varchar(20) COLLATE utf8mb4_uca1400_ai_ci", "elt(1 + seq DIV 4, 'a', 'B')"),
        ("date", "'2024-02-28' + INTERVAL seq DIV 4 DAY"),
        ("datetime(6)", "'2024-03-31' + INTERVAL seq DIV 4 MICROSECOND"),
        ("timestamp(6)", "'2024-04-01' + INTERVAL seq DIV 4 MICROSECOND"),
    ],
)
def test_a_cursor_of_any_ordered_type_is_gone_on_with_within_one_value(
    mariadb: MariaDb, kind: str, chosen: str
) -> None:
    mariadb.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind} NULL)",
        f"INSERT INTO orders SELECT seq, {chosen} FROM seq_1_to_7",
    )
    table = _reader(mariadb)
    assert values(table.read_run(), "id") == [1, 2, 3, 4, 5, 6, 7]
    assert values(table.read_run(), "id") == [4, 5, 6, 7]


@pytest.mark.usefixtures("small_pages")
def test_a_collation_that_takes_different_texts_for_equal_loses_none(mariadb: MariaDb) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed varchar(9) COLLATE utf8mb4_general_ci)",
        "INSERT INTO orders SELECT seq, elt(1 + seq % 4, 'a', 'A', 'á', 'a ') FROM seq_1_to_7",
    )
    assert values(_reader(mariadb).read_run(), "id") == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.usefixtures("small_pages")
def test_the_order_of_the_source_decides_which_text_is_the_watermark(mariadb: MariaDb) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed varchar(9) COLLATE utf8mb4_general_ci)",
        "INSERT INTO orders VALUES (1, 'a'), (2, 'B')",
    )
    table = _reader(mariadb)
    table.read_run()
    assert table.marks == ["B"]
    mariadb.execute("INSERT INTO orders VALUES (3, 'c')")
    assert values(table.read_run(), "id") == [2, 3]


@pytest.mark.usefixtures("small_pages")
def test_what_changes_between_slices_is_read_later(mariadb: MariaDb) -> None:
    mariadb.execute(TABLE, ROWS)
    table = _reader(mariadb)
    table.read()
    mariadb.execute(
        "UPDATE orders SET name = 'again', changed = 9 WHERE id = 1",
        "INSERT INTO orders VALUES (8, 'new', 9)",
        "DELETE FROM orders WHERE id IN (2, 3, 5)",
    )
    read = values(table.read_run(), "id", "name")
    assert read == [(4, "n4"), (6, "n6"), (7, "n7"), (1, "again"), (8, "new")]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("varbinary(8)", "seq"),
        ("enum('c','b','a','d','e','f','g','h','i','j','k','l','m','n')", "seq"),
        ("double", "seq * 0.1"),
        ("varchar(300)", "seq"),
    ],
)
def test_with_a_key_that_finds_no_row_again_reading_stops_where_the_cursor_value_changes(
    mariadb: MariaDb, kind: str, chosen: str
) -> None:
    mariadb.execute(
        f"CREATE TABLE orders (id {kind} PRIMARY KEY, row int, changed int)",
        f"INSERT INTO orders SELECT {chosen}, seq, nullif(seq DIV 5, 0) FROM seq_1_to_14",
    )
    slices = _reader(mariadb).read_run()
    rows = [set(values([rows], "row")) for rows in slices]
    assert rows == [{1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}]


@pytest.mark.usefixtures("small_pages")
def test_by_a_text_that_is_not_sorted_to_its_end_reading_does_not_stop(mariadb: MariaDb) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed text)",
        "INSERT INTO orders SELECT seq, concat(repeat('x', 2000), 9 - seq) FROM seq_1_to_7",
    )
    assert sizes(_reader(mariadb).read_run()) == [7]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("kind", ["date", "datetime(6)", "timestamp"])
def test_reading_does_not_stop_at_a_date_of_nothing_but_zeros_and_takes_none_for_a_watermark(
    mariadb: MariaDb, kind: str
) -> None:
    mariadb.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind} NOT NULL)",
        "INSERT INTO orders SELECT seq, '0000-00-00' FROM seq_1_to_7",
    )
    table = _reader(mariadb)
    assert sizes(table.read_run()) == [7]
    mariadb.execute("INSERT INTO orders VALUES (8, '2024-02-29')")
    assert values(table.read_run(), "id") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert values(table.read_run(), "id") == [8]


@pytest.mark.usefixtures("small_pages")
def test_a_null_in_a_key_is_read_in_the_first_slice(mariadb: MariaDb) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int, changed int)",
        "INSERT INTO orders SELECT seq, 7 FROM seq_1_to_6",
        "INSERT INTO orders VALUES (NULL, 7)",
    )
    for cursor in ("changed", None):
        assert None in values([_reader(mariadb, cursor=cursor).read()], "id")


def test_a_slice_that_stops_leaves_the_rest_of_the_table_unread(mariadb: MariaDb) -> None:
    mariadb.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, name varchar(255), changed int)",
        "INSERT INTO orders SELECT seq, repeat('x', 250), seq FROM seq_1_to_200000",
    )
    before = _bytes_sent(mariadb)
    table = _reader(mariadb)
    assert sizes([table.read(never_has_time)]) == [5000]
    table_bytes = 200_000 * 250
    assert _bytes_sent(mariadb) - before < table_bytes / 2


def _bytes_sent(source: MariaDb) -> int:
    ((_name, sent),) = source.rows("SHOW GLOBAL STATUS LIKE 'Bytes_sent'")
    return int(sent)
