"""A table of SQL Server read in slices is read whole and once, whatever its cursor and key are."""

import pytest

from tests.connectors.database.readings import Reader, reader, sizes, values
from tests.connectors.database.sqlserver.server.running import SqlServer
from tests.connectors.databases import PASSWORD, never_has_time

TABLE = "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, name varchar(20), changed int)"


def _reader(source: SqlServer, **stream: object) -> Reader:
    return reader(source.url, password=PASSWORD, **stream)


def _fill(source: SqlServer, chosen: str, rows: int = 7) -> None:
    source.store.duck(f"INSERT INTO orders SELECT {chosen} FROM range(1, {rows + 1}) r(seq)")


@pytest.mark.usefixtures("small_pages")
def test_a_slice_ends_at_the_first_page_after_its_time_and_the_next_goes_on_behind_it(
    sql_server: SqlServer,
) -> None:
    sql_server.execute(TABLE)
    _fill(sql_server, "seq, 'n', seq // 3")
    table = _reader(sql_server)
    assert [values([rows], "id") for rows in table.read_run()] == [[1, 2, 3], [4, 5, 6], [7]]
    assert table.marks == ["1", "2", "2"]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("rows", [0, 1, 3, 4])
@pytest.mark.parametrize("cursor", ["changed", None])
def test_rows_that_share_one_cursor_value_are_split_between_slices(
    sql_server: SqlServer, rows: int, cursor: str | None
) -> None:
    sql_server.execute(TABLE)
    _fill(sql_server, "seq, 'n', 7", rows)
    slices = _reader(sql_server, cursor=cursor).read_run()
    assert values(slices, "id") == list(range(1, rows + 1))
    assert len(slices) == max(1, -(-rows // 3))


@pytest.mark.usefixtures("small_pages")
def test_rows_without_a_cursor_value_come_first_and_are_split_too(sql_server: SqlServer) -> None:
    sql_server.execute(TABLE)
    _fill(sql_server, "seq, 'n', CASE WHEN seq <= 3 THEN seq // 3 END")
    table = _reader(sql_server)
    slices = table.read_run()
    assert [values([rows], "id") for rows in slices] == [[4, 5, 6], [7], [1, 2, 3]]
    assert table.marks == [None, None, "1"]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("columns", "key", "chosen"),
    [
        ("big bigint PRIMARY KEY", ["big"], "9223372036854775807 - seq"),
        ("tiny tinyint PRIMARY KEY", ["tiny"], "250 - seq"),
        ("n decimal(38,20) PRIMARY KEY", ["n"], "123456789012345678.00000000000000000001 * seq"),
        ("price money PRIMARY KEY", ["price"], "0.0001 * seq"),
        ("tip smallmoney PRIMARY KEY", ["tip"], "-0.0001 * seq"),
        ("ref uniqueidentifier PRIMARY KEY", ["ref"], "md5(seq::text)::uuid"),
        ("word varchar(20) PRIMARY KEY", ["word"], "chr(90 - seq::int)"),
        ("word nvarchar(20) PRIMARY KEY", ["word"], "chr(200 - seq::int) || '''%😀'"),
        ("word char(9) PRIMARY KEY", ["word"], "rpad(chr(90 - seq::int), 9, ' ')"),
        ("day date PRIMARY KEY", ["day"], "date '2024-02-27' + seq::int"),
        ("at datetime PRIMARY KEY", ["at"], "timestamp '2024-03-31' + to_milliseconds(seq * 10)"),
        ("at smalldatetime PRIMARY KEY", ["at"], "timestamp '2024-03-31' + to_minutes(seq)"),
        ("at datetime2(6) PRIMARY KEY", ["at"], "timestamp '2024-03-31' + to_microseconds(seq)"),
        ("at datetimeoffset(6) PRIMARY KEY", ["at"], "timestamptz '2024-03-31' + to_hours(seq)"),
        ("at time(6) PRIMARY KEY", ["at"], "time '23:59:59.9' + to_microseconds(seq)"),
        (
            "flag bit, word varchar(9), n int, PRIMARY KEY (flag, word, n)",
            ["flag", "word", "n"],
            "seq % 2 = 0, chr(65 + seq::int % 3), seq",
        ),
        ("version rowversion PRIMARY KEY", ["version"], "unhex(printf('%016x', 2147483645 + seq))"),
    ],
)
def test_a_key_of_any_ordered_type_splits_a_table(
    sql_server: SqlServer, columns: str, key: list[str], chosen: str
) -> None:
    sql_server.execute(f"CREATE TABLE orders (row int, changed int, {columns})")
    _fill(sql_server, f"seq, seq // 5, {chosen}")
    for cursor, order in (("changed", ["changed", *key]), (None, key)):
        slices = _reader(sql_server, cursor=cursor, primary_key=key).read_run()
        assert sizes(slices) == [3, 3, 1]
        in_order = sql_server.rows(f"SELECT row FROM orders ORDER BY {', '.join(order)}")
        assert values(slices, "row") == [row for (row,) in in_order]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("int", "seq // 4"),
        ("bigint", "9223372036854775800 + seq // 4"),
        ("decimal(38,21)", "1.000000000000000000001 * (seq // 4)"),
        ("money", "0.0001 * (seq // 4)"),
        ("float", "0.1 * (seq // 4)"),
        ("nvarchar(20)", "chr(97 + seq::int // 4)"),
        ("date", "date '2024-02-28' + seq::int // 4"),
        ("datetime", "timestamp '2024-03-31' + to_milliseconds(seq // 4 * 10)"),
        ("smalldatetime", "timestamp '2024-03-31' + to_minutes(seq // 4)"),
        ("datetime2(6)", "timestamp '2024-03-31' + to_microseconds(seq // 4)"),
        ("datetimeoffset(3)", "timestamptz '2024-04-01' + to_hours(seq // 4)"),
        ("rowversion", "unhex(printf('%016x', 9007199254740993 + seq // 4))"),
    ],
)
def test_a_cursor_of_any_ordered_type_is_gone_on_with_within_one_value(
    sql_server: SqlServer, kind: str, chosen: str
) -> None:
    sql_server.execute(f"CREATE TABLE orders (id int NOT NULL PRIMARY KEY, changed {kind} NULL)")
    _fill(sql_server, f"seq, {chosen}")
    table = _reader(sql_server)
    assert values(table.read_run(), "id") == [1, 2, 3, 4, 5, 6, 7]
    assert values(table.read_run(), "id") == [4, 5, 6, 7]


@pytest.mark.usefixtures("small_pages")
def test_a_cursor_with_seven_digits_of_a_second_loses_no_row_and_gets_on(
    sql_server: SqlServer,
) -> None:
    sql_server.execute("CREATE TABLE orders (id int NOT NULL PRIMARY KEY, changed datetime2)")
    # Ten steps of 100 ns are one microsecond: the first nine rows share one.
    _fill(sql_server, "seq, make_timestamp_ns(1700000000000000000 + seq * 100)", 25)
    table = _reader(sql_server)
    slices = table.read_run()
    assert set(values(slices, "id")) == set(range(1, 26))
    assert sizes(slices)[0] >= 9
    sql_server.store.duck(
        "INSERT INTO orders VALUES (26, make_timestamp_ns(1700000000000000000 + 2599))"
    )
    assert 26 in values(table.read_run(), "id")


@pytest.mark.usefixtures("small_pages")
def test_a_key_that_finds_no_row_stops_where_the_cursor_changes(sql_server: SqlServer) -> None:
    sql_server.execute(
        "CREATE TABLE orders (data varbinary(8) NOT NULL PRIMARY KEY, id int, changed int)"
    )
    _fill(sql_server, "unhex(printf('%08x', seq)), seq, seq // 4")
    slices = _reader(sql_server, primary_key=["data"]).read_run()
    assert sorted(values(slices, "id")) == [1, 2, 3, 4, 5, 6, 7]
    assert sizes(slices) == [3, 4]


def test_a_slice_that_stops_leaves_the_rest_of_the_table_unread(sql_server: SqlServer) -> None:
    sql_server.execute(TABLE.replace("varchar(20)", "varchar(300)"))
    _fill(sql_server, "seq, repeat('x', 250), seq", 60_000)
    table = _reader(sql_server)
    assert sizes([table.read(never_has_time)]) == [5000]
    table_bytes = 60_000 * 250
    assert sql_server.sent < table_bytes / 2
