"""A look at SQL Server says what is wrong with it, and what it has to offer."""

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from shared.connectors.base import SourceAccess, SourceStream, StreamFailure
from shared.connectors.database import CONNECTOR_TYPE
from shared.connectors.database.config import DatabaseConfig
from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError
from tests.connectors.database.sqlserver.server.running import SqlServer
from tests.connectors.databases import PASSWORD, orders
from tests.loopback import LOOPBACK

TABLE = "CREATE TABLE orders (id int NOT NULL PRIMARY KEY, name nvarchar(50), changed datetime2(6))"


def _access(config: Mapping[str, Any]) -> SourceAccess:
    return SourceAccess(config=DatabaseConfig.model_validate(config), guard=LOOPBACK)


def _check(config: Mapping[str, Any]) -> list[StreamFailure]:
    return list(CONNECTOR_TYPE.check(_access(config)))


def _told(config: Mapping[str, Any]) -> tuple[type, str | None, str]:
    with pytest.raises((PermanentError, TransientError)) as raised:
        _check(config)
    told = str(raised.value)
    assert PASSWORD not in told
    assert "no one else may see" not in told
    return type(raised.value), raised.value.fault, told


def _offered(server: SqlServer) -> dict[str, SourceStream]:
    access = _access(orders(server.url, password=PASSWORD))
    return {stream.name: stream for stream in CONNECTOR_TYPE.streams(access)}


def test_a_table_that_can_be_read_has_no_failure_and_no_row_is_asked_for(
    sql_server: SqlServer,
) -> None:
    sql_server.execute(TABLE, "INSERT INTO orders VALUES (1, N'a', NULL)")
    assert _check(orders(sql_server.url, password=PASSWORD)) == []
    assert "SELECT TOP 0 " in sql_server.statements[-1]
    assert "SET LOCK_TIMEOUT 900000; SET DEADLOCK_PRIORITY LOW" in sql_server.statements
    assert [(login.app, login.host) for login in sql_server.logins] == [("syncline", "127.0.0.1")]


def test_a_rowversion_cursor_whose_end_cannot_be_asked_for_is_told(sql_server: SqlServer) -> None:
    sql_server.execute("CREATE TABLE orders (id int NOT NULL PRIMARY KEY, version rowversion)")
    config = orders(sql_server.url, password=PASSWORD, cursor="version")
    assert _check(config) == []
    sql_server.faults.errors = {"min_active_rowversion": (195, 15)}
    (failure,) = _check(config)
    assert (failure.stream, failure.error.fault) == ("orders", Fault.SCHEMA)


def test_a_port_at_which_nobody_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = orders(f"mssql://reader@127.0.0.1:{port}/shop", password=PASSWORD)
    assert _told(config)[:2] == (TransientError, Fault.REFUSED)


def test_a_wrong_password_is_a_login(sql_server: SqlServer) -> None:
    kind, fault, told = _told(orders(sql_server.url, password="not it"))
    assert (kind, fault) == (PermanentError, Fault.LOGIN)
    assert "refused the login: check user name and password (OperationalError 18456)." in told


def test_a_database_that_is_not_there_is_told_before_the_login_that_fails_for_it(
    sql_server: SqlServer,
) -> None:
    config = orders(sql_server.url.replace("/shop", "/nothing"), password=PASSWORD)
    kind, fault, told = _told(config)
    assert (kind, fault) == (PermanentError, Fault.NOT_FOUND)
    assert "has no such database" in told


@pytest.mark.parametrize(
    ("number", "kind", "fault"),
    [
        (18452, PermanentError, Fault.LOGIN),
        (18486, PermanentError, Fault.LOGIN),
        (40615, PermanentError, Fault.PERMISSION),
        (40613, TransientError, Fault.UNAVAILABLE),
        (40501, TransientError, Fault.UNAVAILABLE),
        (10928, TransientError, Fault.UNAVAILABLE),
        (10929, TransientError, Fault.UNAVAILABLE),
    ],
)
def test_what_a_login_is_refused_for_is_told_apart(
    sql_server: SqlServer, number: int, kind: type, fault: Fault
) -> None:
    sql_server.faults.login_error = number
    told = _told(orders(sql_server.url, password=PASSWORD))
    assert told[:2] == (kind, fault)
    assert str(number) in told[2]


def test_a_password_that_is_longer_than_any_is_told(sql_server: SqlServer) -> None:
    told = _told(orders(sql_server.url, password="x" * 129))
    assert "of more than 128 letters" in told[2]


def test_each_table_that_cannot_be_read_is_told_with_its_fault(sql_server: SqlServer) -> None:
    for name in ("good", "without_cursor", "bad_cursor", "secret", "cut"):
        sql_server.execute(TABLE.replace("orders", name))
    sql_server.execute("CREATE TABLE fine (at datetime2 NOT NULL PRIMARY KEY)")
    sql_server.faults.errors = {"FROM secret": (229, 14)}
    streams = [
        {"table": "gone", "primary_key": ["id"]},
        {"table": "good", "primary_key": ["id"], "cursor": "changed"},
        {"table": "without_cursor", "primary_key": ["id"], "cursor": "nothing"},
        {"table": "bad_cursor", "primary_key": ["nothing"]},
        {"table": "secret", "primary_key": ["id"]},
        {"table": "fine"},
    ]
    failures = _check({"url": sql_server.url, "password": PASSWORD, "streams": streams})
    assert [(one.stream, one.error.fault) for one in failures] == [
        ("gone", Fault.NOT_FOUND),
        ("without_cursor", Fault.SCHEMA),
        ("bad_cursor", Fault.SCHEMA),
        ("secret", Fault.PERMISSION),
        ("fine", Fault.SCHEMA),
    ]
    assert "two of its rows could become one" in str(failures[-1].error)


def test_the_tables_and_views_are_offered_with_keys_and_what_may_be_a_cursor(
    sql_server: SqlServer,
) -> None:
    sql_server.execute(
        "CREATE TABLE orders (id bigint NOT NULL PRIMARY KEY, note nvarchar(max),"
        " amount decimal(9, 2) NOT NULL, created_at datetimeoffset, updated_at datetime2,"
        " day date, version rowversion, place geography, tag sql_variant)",
        "CREATE TABLE lines (orders_id int NOT NULL, line int NOT NULL,"
        " CONSTRAINT pk_lines PRIMARY KEY (orders_id, line))",
        "CREATE VIEW totals AS SELECT id, amount FROM orders",
        "CREATE SCHEMA archive",
        "CREATE TABLE archive.old (id int NOT NULL PRIMARY KEY)",
    )
    offered = _offered(sql_server)
    assert set(offered) == {"orders", "lines", "totals", "archive.old"}
    found = offered["orders"]
    assert (found.kind, found.primary_key) == ("table", ("id",))
    assert found.cursors == ("version", "updated_at", "created_at", "day", "id")
    assert [(one.name, one.is_nullable) for one in found.columns][:3] == [
        ("id", False),
        ("note", True),
        ("amount", False),
    ]
    assert offered["lines"].primary_key == ("orders_id", "line")
    assert (offered["totals"].kind, offered["totals"].primary_key) == ("view", ())
    assert offered["archive.old"].settings == {
        "table": "old",
        "schema": "archive",
        "primary_key": ["id"],
    }


def test_what_a_stream_is_offered_with_selects_it(sql_server: SqlServer) -> None:
    sql_server.execute(
        "CREATE SCHEMA archive",
        "CREATE TABLE archive.old (id int NOT NULL PRIMARY KEY, updated_at datetime2)",
    )
    settings = _offered(sql_server)["archive.old"].settings
    assert settings["cursor"] == "updated_at"
    assert _check({"url": sql_server.url, "password": PASSWORD, "streams": [settings]}) == []
