"""A PostgreSQL table read in slices is read whole and once, whatever its cursor and key are."""

import pytest

from shared.errors import LeaseLostError, PermanentError
from tests.connectors.database.readings import reader, sizes, values
from tests.connectors.databases import Postgres

pytestmark = pytest.mark.usefixtures("small_pages")

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed int)"
# Cursor values of three rows that begin in the middle of a page of three.
ROWS = "INSERT INTO orders SELECT n, 'n' || n, n / 3 FROM generate_series(1, 7) n"
# Text with an order and an equality that are not those of Python.
CITEXT = "CREATE EXTENSION citext"
WORDS = "(ARRAY['a', 'B', 'É', 'o''x', 'å', 'ñ\\', 'z'])[n]"


def test_a_slice_ends_at_the_first_page_after_its_time_and_the_next_goes_on_behind_it(
    source: Postgres,
) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    assert [values([rows], "id") for rows in table.read_run()] == [[1, 2, 3], [4, 5, 6], [7]]
    assert table.marks == ["1", "2", "2"]


def test_time_is_asked_for_between_pages_only(source: Postgres) -> None:
    source.execute(TABLE, ROWS)
    asked = 0

    def has_time() -> bool:
        nonlocal asked
        asked += 1
        return True

    assert len(reader(source.url).read(has_time)) == 7
    assert asked == 2


@pytest.mark.parametrize("rows", [0, 1, 3, 4])
@pytest.mark.parametrize("cursor", ["changed", None])
def test_rows_that_share_one_cursor_value_are_split_between_slices(
    source: Postgres, rows: int, cursor: str | None
) -> None:
    source.execute(TABLE, f"INSERT INTO orders SELECT n, 'n', 7 FROM generate_series(1, {rows}) n")
    slices = reader(source.url, cursor=cursor).read_run()
    assert values(slices, "id") == list(range(1, rows + 1))
    assert len(slices) == max(1, -(-rows // 3))


def test_rows_without_a_cursor_value_come_first_and_are_split_too(source: Postgres) -> None:
    source.execute(TABLE, ROWS, "UPDATE orders SET changed = NULL WHERE id > 3")
    table = reader(source.url)
    slices = table.read_run()
    assert [values([rows], "id") for rows in slices] == [[4, 5, 6], [7], [1, 2, 3]]
    assert table.marks == [None, None, "1"]


def test_rows_without_a_cursor_value_may_be_all_that_there_is(source: Postgres) -> None:
    source.execute(TABLE, ROWS, "UPDATE orders SET changed = NULL")
    table = reader(source.url)
    assert sizes(table.read_run()) == [3, 3, 1]
    assert sizes(table.read_run()) == [3, 3, 1]


@pytest.mark.parametrize(
    ("columns", "key", "chosen"),
    [
        ("uid uuid PRIMARY KEY", ["uid"], "md5(n::text)::uuid"),
        ("word citext PRIMARY KEY", ["word"], WORDS),
        ('word varchar(20) COLLATE "C" PRIMARY KEY', ["word"], WORDS),
        ("word char(20) PRIMARY KEY", ["word"], WORDS),
        ("small smallint PRIMARY KEY", ["small"], "3 - n"),
        ("big bigint PRIMARY KEY", ["big"], "9223372036854775807 - n"),
        ("n numeric PRIMARY KEY", ["n"], "12345678901234567890.000000000000000001 * n"),
        ("day date PRIMARY KEY", ["day"], "'2024-02-27'::date + n"),
        ("at timestamptz PRIMARY KEY", ["at"], "'2024-03-31Z'::timestamptz + n * '1 us'::interval"),
        ("at timestamp PRIMARY KEY", ["at"], "'2024-03-31'::timestamp + n * '1 us'::interval"),
        ("clock time PRIMARY KEY", ["clock"], "'23:59:59'::time + n * '1 us'::interval"),
        ("clock timetz PRIMARY KEY", ["clock"], "'22:59:59+05'::timetz + n * '1 us'::interval"),
        (
            "flag bool, word citext, n int, PRIMARY KEY (flag, word, n)",
            ["flag", "word", "n"],
            "n % 2 = 0, (ARRAY['a', 'B'])[1 + n % 2], n",
        ),
        ("a int, b int, PRIMARY KEY (b, a)", ["b", "a"], "n, n % 2"),
        ("a int, b int", ["a", "b"], "n % 4, n"),
    ],
)
def test_a_key_of_any_ordered_type_splits_a_table(
    source: Postgres, columns: str, key: list[str], chosen: str
) -> None:
    source.execute(
        CITEXT,
        f"CREATE TABLE orders ({columns}, row int, changed int)",
        f"INSERT INTO orders SELECT {chosen}, n, n / 5 FROM generate_series(1, 7) n",
    )
    for cursor, order in (("changed", ["changed", *key]), (None, key)):
        slices = reader(source.url, cursor=cursor, primary_key=key).read_run()
        assert sizes(slices) == [3, 3, 1]
        in_order = source.rows(f"SELECT row FROM orders ORDER BY {', '.join(order)}")
        assert values(slices, "row") == [row for (row,) in in_order]


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("int", "n / 4"),
        ("numeric", "1.000000000000000000001 * (n / 4)"),
        ("float8", "0.1 * (n / 4)"),
        ("citext", "(ARRAY['a', 'B'])[1 + n / 4]"),
        ("varchar(5)", "(ARRAY['a', 'b'])[1 + n / 4]"),
        ("date", "'2024-02-28'::date + n / 4"),
        ("timestamp", "'2024-03-31'::timestamp + (n / 4) * '1 us'::interval"),
        ("timestamptz", "'2024-03-31Z'::timestamptz + (n / 4) * '1 us'::interval"),
    ],
)
def test_a_cursor_of_any_ordered_type_is_gone_on_with_within_one_value(
    source: Postgres, kind: str, chosen: str
) -> None:
    source.execute(
        CITEXT,
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind})",
        f"INSERT INTO orders SELECT n, {chosen} FROM generate_series(1, 7) n",
    )
    table = reader(source.url)
    assert values(table.read_run(), "id") == [1, 2, 3, 4, 5, 6, 7]
    assert values(table.read_run(), "id") == [4, 5, 6, 7]


def test_an_order_that_takes_different_texts_for_equal_loses_none(source: Postgres) -> None:
    source.execute(
        CITEXT,
        "CREATE TABLE orders (id int PRIMARY KEY, changed citext)",
        "INSERT INTO orders SELECT n, (ARRAY['a', 'A'])[1 + n % 2] FROM generate_series(1, 7) n",
    )
    assert values(reader(source.url).read_run(), "id") == [1, 2, 3, 4, 5, 6, 7]


def test_the_order_of_the_source_decides_which_text_is_the_watermark(source: Postgres) -> None:
    source.execute(
        CITEXT,
        "CREATE TABLE orders (id int PRIMARY KEY, changed citext)",
        "INSERT INTO orders VALUES (1, 'a'), (2, 'B')",
    )
    table = reader(source.url)
    table.read_run()
    assert table.marks == ["B"]
    source.execute("INSERT INTO orders VALUES (3, 'c')")
    assert values(table.read_run(), "id") == [2, 3]


@pytest.mark.parametrize("key", [["id"], ["id", "name"], ["name", "id"]])
def test_a_cursor_may_be_the_key_or_a_part_of_it(source: Postgres, key: list[str]) -> None:
    source.execute(TABLE, ROWS)
    slices = reader(source.url, cursor="id", primary_key=key).read_run()
    assert [values([rows], "id") for rows in slices] == [[1, 2, 3], [4, 5, 6], [7]]


def test_what_changes_between_slices_is_read_later(source: Postgres) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    source.execute(
        "UPDATE orders SET name = 'again', changed = 9 WHERE id = 1",
        "UPDATE orders SET name = 'only once', changed = 9 WHERE id = 7",
        "INSERT INTO orders VALUES (8, 'new', 9)",
    )
    read = values(table.read_run(), "id", "name")
    assert read == [(4, "n4"), (5, "n5"), (6, "n6"), (1, "again"), (7, "only once"), (8, "new")]


def test_the_row_that_a_slice_stopped_behind_may_be_gone(source: Postgres) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    source.execute("DELETE FROM orders WHERE id IN (2, 3, 5)")
    assert values(table.read_run(), "id") == [4, 6, 7]


@pytest.mark.parametrize("key", ["id int PRIMARY KEY", "id float8 PRIMARY KEY"])
def test_a_row_that_gets_the_cursor_value_of_a_slices_end_is_read_by_the_next_slice(
    source: Postgres, key: str
) -> None:
    source.execute(
        f"CREATE TABLE orders ({key}, changed int)",
        "INSERT INTO orders SELECT n, n / 3 FROM generate_series(1, 9) n",
    )
    orders = reader(source.url)
    read = orders.read()
    last = read[-1]["changed"]
    source.execute(f"UPDATE orders SET changed = {last} WHERE id = 1")
    source.execute("INSERT INTO orders VALUES (20, 20)")

    orders.read()

    assert orders.has_more
    assert 1 in [row["id"] for row in orders.again]
    assert {row["changed"] for row in orders.again} == {last}


def test_a_run_that_ends_between_slices_loses_nothing_to_the_next(source: Postgres) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    table.position = None
    assert values(table.read_run(), "id") == [3, 4, 5, 6, 7]


def test_a_sibling_that_comes_after_the_last_slice_is_read_by_the_next_run(
    source: Postgres,
) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read_run()
    source.execute("INSERT INTO orders VALUES (0, 'sibling', 2)")
    assert values(table.read_run(), "id") == [0, 6, 7]


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("bytea", "decode(lpad(n::text, 4, '0'), 'hex')"),
        ("float8", "n * 0.1"),
        ("interval", "n * '1 day'::interval"),
    ],
)
def test_with_a_key_that_finds_no_row_again_reading_stops_where_the_cursor_value_changes(
    source: Postgres, kind: str, chosen: str
) -> None:
    source.execute(
        f"CREATE TABLE orders (id {kind} PRIMARY KEY, row int, changed int)",
        f"INSERT INTO orders SELECT {chosen}, n, nullif(n / 5, 0) FROM generate_series(1, 14) n",
    )
    slices = reader(source.url).read_run()
    rows = [set(values([rows], "row")) for rows in slices]
    assert rows == [{1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}]


@pytest.mark.parametrize("cursor", [None, "name"])
def test_with_such_a_key_and_no_cursor_or_one_of_text_reading_does_not_stop(
    source: Postgres, cursor: str | None
) -> None:
    source.execute(
        "CREATE TABLE orders (id bytea PRIMARY KEY, name text)",
        "INSERT INTO orders SELECT n::text::bytea, 'n' || n FROM generate_series(1, 7) n",
    )
    assert sizes(reader(source.url, cursor=cursor).read_run()) == [7]


@pytest.mark.parametrize(
    ("cursor", "columns", "chosen"),
    [(None, "id bytea", "n::text::bytea"), ("changed", "id int, changed float8", "n, 'NaN'")],
)
def test_where_reading_cannot_stop_a_lost_lease_ends_it(
    source: Postgres, cursor: str | None, columns: str, chosen: str
) -> None:
    source.execute(
        f"CREATE TABLE orders ({columns})",
        f"INSERT INTO orders SELECT {chosen} FROM generate_series(1, 7) n",
    )
    answers = iter([False, None])

    def has_time() -> bool:
        answer = next(answers)
        if answer is None:
            raise LeaseLostError("Another worker holds the run.")
        return answer

    with pytest.raises(Exception, match="Another worker holds the run"):
        reader(source.url, cursor=cursor).read(has_time)
    assert next(answers, "asked twice") == "asked twice"


@pytest.mark.parametrize(
    ("kind", "odd", "plain"),
    [
        ("float8", "'NaN'", "n"),
        ("float8", "'Infinity'", "n"),
        ("numeric", "'NaN'", "n"),
        ("numeric", "'Infinity'", "n"),
        ("date", "'infinity'", "'2024-01-01'::date + n"),
        ("timestamptz", "'infinity'", "'2024-01-01Z'::timestamptz + n * '1 day'::interval"),
    ],
)
def test_reading_does_not_stop_at_infinity_and_the_watermark_stays_before_it(
    source: Postgres, kind: str, odd: str, plain: str
) -> None:
    source.execute(
        f"CREATE TABLE orders (id int PRIMARY KEY, changed {kind})",
        f"INSERT INTO orders SELECT n, {plain} FROM generate_series(1, 4) n",
        f"INSERT INTO orders SELECT n, {odd} FROM generate_series(5, 10) n",
    )
    table = reader(source.url)
    assert sizes(table.read_run()) == [3, 7]
    source.execute(f"INSERT INTO orders SELECT n, {plain} FROM generate_series(11, 11) n")
    assert 11 in values(table.read_run(), "id")


def test_reading_does_not_stop_before_all_time(source: Postgres) -> None:
    source.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, changed timestamptz)",
        "INSERT INTO orders SELECT n, '-infinity' FROM generate_series(1, 7) n",
        "INSERT INTO orders SELECT n, '2024-01-01Z' FROM generate_series(8, 10) n",
    )
    assert sizes(reader(source.url).read_run()) == [9, 1]


def test_a_null_in_a_key_is_read_in_whatever_slice_it_comes(source: Postgres) -> None:
    source.execute(
        "CREATE TABLE orders (shop int, id int, changed int)",
        "INSERT INTO orders SELECT 1, n, 7 FROM generate_series(1, 6) n",
        "INSERT INTO orders VALUES (1, NULL, 7)",
    )
    for cursor in ("changed", None):
        table = reader(source.url, cursor=cursor, primary_key=["shop", "id"])
        table.read()
        assert None in values([table.read(lambda: True)], "id")


def test_a_view_is_read_in_slices(source: Postgres) -> None:
    source.execute(TABLE, ROWS, "CREATE VIEW recent AS SELECT * FROM orders WHERE id > 2")
    for cursor in ("changed", None):
        slices = reader(source.url, table="recent", cursor=cursor).read_run()
        assert [values([rows], "id") for rows in slices] == [[3, 4, 5], [6, 7]]


@pytest.mark.parametrize(
    ("changed", "first"),
    [
        ({"cursor": None}, 1),
        ({"cursor": "id"}, 1),
        ({"primary_key": ["name"]}, 3),
        ({"schema": "public"}, 3),
    ],
)
def test_a_table_that_is_configured_otherwise_is_read_from_its_watermark_again(
    source: Postgres, changed: dict[str, object], first: int
) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    table.config = reader(source.url, **changed).config
    assert values(table.read_run(), "id") == list(range(first, 8))


def test_a_table_whose_key_changed_its_type_is_read_from_its_watermark_again(
    source: Postgres,
) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    source.execute("ALTER TABLE orders ALTER id TYPE text")
    assert values(table.read_run(), "id") == ["3", "4", "5", "6", "7"]


def test_a_position_from_before_the_watermark_brings_nothing_from_before_it(
    source: Postgres,
) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    stale = table.position
    table.read_run()
    table.position = stale
    assert values(table.read_run(), "id") == [6, 7]


def test_a_position_that_cannot_be_read_is_a_permanent_error(source: Postgres) -> None:
    source.execute(TABLE, ROWS)
    table = reader(source.url)
    table.read()
    table.position = {**(table.position or {}), "key_values": [{"type": "int", "value": "one"}]}
    with pytest.raises(PermanentError, match="cannot be read: start it anew"):
        table.read()
