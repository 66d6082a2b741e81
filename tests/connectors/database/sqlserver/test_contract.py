"""The server of these tests is one to other clients too: FreeTDS reads the same from it."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pymssql
import pytest

from shared.connectors.database.sqlserver import connect
from shared.connectors.database.tls import Tls, TlsMode
from shared.egress.lines import Lines
from tests.connectors.database.sqlserver.server.running import SqlServer
from tests.connectors.databases import PASSWORD
from tests.loopback import LOOPBACK

PLAIN = Tls(TlsMode.DISABLE)
TABLE = (
    "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, big bigint, small smallint, tiny tinyint,"
    " flag bit, price decimal(38,10), paid money, tip smallmoney, ratio float, size real,"
    " at datetime, soon smalldatetime, fine datetime2(6), day date, ref uniqueidentifier,"
    " code char(5), name varchar(50), wide nchar(3), title nvarchar(50), long nvarchar(max),"
    " short varchar(max), data varbinary(20), picture varbinary(max), version rowversion)"
)
ROW = (
    "INSERT INTO orders VALUES (1, 9223372036854775807, -32768, 255, 1,"
    " 1234567890123456789012345678.0123456789, -922337203685477.5808, 214748.3647, 0.1, 1.5,"
    " '2024-02-29 23:59:59.997', '2024-02-29 12:34:00', '1900-01-01 00:00:00.123456',"
    " '9999-12-31', '6F9619FF-8B86-D011-B42D-00C04FC964FF', 'ab', 'æøå', N'é', N'ł 😀', N'',"
    " 'long', 0x00FF, CAST('' AS varbinary(max)), DEFAULT)"
)
NULLS = "INSERT INTO orders (id, version) VALUES (2, DEFAULT)"


@pytest.fixture(autouse=True)
def _without_encryption(sql_server: SqlServer) -> None:  # pyright: ignore[reportUnusedFunction] (a fixture)
    """FreeTDS trusts no certificate that nobody has signed."""
    sql_server.context = None


def _ours(server: SqlServer, query: str, parameters: Any = None) -> Sequence[Any]:
    account = {"user": "reader", "password": PASSWORD, "database": "shop"}
    place = {"host": "127.0.0.1", "port": server.port}
    with closing(connect(LOOPBACK, Lines(), PLAIN, **place, **account)) as connection:
        return [tuple(row) for row in connection.cursor().execute(query, parameters).fetchall()]


def _theirs(server: SqlServer, query: str, parameters: Any = None) -> Sequence[Any]:
    with (
        closing(
            pymssql.connect(
                server="127.0.0.1",
                port=str(server.port),
                user="reader",
                password=PASSWORD,
                database="shop",
                autocommit=True,
                login_timeout=10,
            )
        ) as connection,
        closing(connection.cursor()) as cursor,
    ):
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def _told(rows: Sequence[Any]) -> list[list[Any]]:
    """Return rows without what the two write otherwise: spaces that fill up, and kinds of bytes."""
    return [
        [bytes(value) if isinstance(value, bytearray) else value for value in row] for row in rows
    ]


def test_every_type_reads_the_same_with_both(sql_server: SqlServer) -> None:
    sql_server.execute(TABLE, ROW, NULLS)
    query = "SELECT * FROM orders ORDER BY id"
    ours = _told(_ours(sql_server, query))
    assert len(ours) == 2
    assert ours == _told(_theirs(sql_server, query))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT TOP 2 id, title FROM orders WHERE id > 3 ORDER BY id DESC",
        "SELECT count(*) AS found FROM orders",
        "SELECT CAST(id AS BIGINT) AS id, CAST(id AS NVARCHAR(10)) AS text FROM orders",
        "SELECT id FROM orders WHERE title IS NULL",
        "SELECT id FROM orders WHERE id < 0",
    ],
)
def test_every_kind_of_query_answers_both_alike(sql_server: SqlServer, query: str) -> None:
    sql_server.execute("CREATE TABLE orders (id int NOT NULL PRIMARY KEY, title nvarchar(50))")
    sql_server.execute(*(f"INSERT INTO orders VALUES ({n}, N't{n}')" for n in range(1, 9)))
    sql_server.execute("INSERT INTO orders VALUES (9, NULL)")
    assert _ours(sql_server, query) == _theirs(sql_server, query)


def test_an_answer_of_many_packets_reads_the_same_with_both(sql_server: SqlServer) -> None:
    sql_server.execute("CREATE TABLE orders (id int NOT NULL, long nvarchar(max))")
    sql_server.store.duck("INSERT INTO orders SELECT range, repeat('é', 3000) FROM range(50)")
    query = "SELECT id, long FROM orders ORDER BY id"
    assert _ours(sql_server, query) == _theirs(sql_server, query)


def test_a_parameter_finds_what_a_literal_finds(sql_server: SqlServer) -> None:
    sql_server.execute(TABLE, ROW, NULLS)
    mine = "SELECT id FROM orders WHERE title = CAST(%(title)s AS NVARCHAR(50))"
    assert _ours(sql_server, mine, {"title": "ł 😀"}) == [(1,)]
    assert _theirs(sql_server, "SELECT id FROM orders WHERE title = %s", ("ł 😀",)) == [(1,)]


def test_a_refused_query_and_login_have_one_number_for_both(sql_server: SqlServer) -> None:
    with pytest.raises(pymssql.Error) as theirs:
        _theirs(sql_server, "SELECT * FROM nothing")
    assert theirs.value.args[0] == 208
    sql_server.account = ("reader", "another")
    with pytest.raises(pymssql.Error) as theirs:
        _theirs(sql_server, "SELECT 1")
    assert theirs.value.args[0][0] == 18456
