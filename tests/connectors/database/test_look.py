"""A look at a database says what is wrong with it, and what it has to offer."""

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.connectors import looking
from shared.connectors.base import SourceAccess, SourceStream, StreamFailure
from shared.connectors.database import CONNECTOR_TYPE, look
from shared.connectors.database.config import DatabaseConfig
from shared.domain.fault import Fault
from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from shared.errors import PermanentError, SynclineError, TransientError
from tests.connectors.databases import PASSWORD, MariaDb, Postgres, SqliteFile, orders
from tests.loopback import LOOPBACK


def _access(config: Mapping[str, Any], guard: Guard = LOOPBACK) -> SourceAccess:
    return SourceAccess(config=DatabaseConfig.model_validate(config), guard=guard)


def _check(config: Mapping[str, Any], guard: Guard = LOOPBACK) -> Sequence[StreamFailure]:
    return CONNECTOR_TYPE.check(_access(config, guard))


def _fault(config: Mapping[str, Any], guard: Guard = LOOPBACK) -> tuple[type, str | None]:
    with pytest.raises((PermanentError, TransientError)) as raised:
        _check(config, guard)
    assert PASSWORD not in str(raised.value)
    return type(raised.value), raised.value.fault


def _offered(config: Mapping[str, Any]) -> dict[str, SourceStream]:
    return {stream.name: stream for stream in CONNECTOR_TYPE.streams(_access(config))}


TABLE = "CREATE TABLE orders (id int PRIMARY KEY, name text, changed int)"


def test_a_table_that_can_be_read_has_no_failure_and_no_row_is_asked_for(
    source: Postgres, mariadb: MariaDb
) -> None:
    source.execute(TABLE)
    mariadb.execute(TABLE)
    assert _check(orders(source.url)) == []
    assert _check(orders(mariadb.url, password=PASSWORD)) == []


def test_a_name_that_nobody_knows_is_not_resolved() -> None:
    url = "postgresql://reader@nobody.invalid/shop"
    assert _fault(orders(url)) == (TransientError, Fault.NAME_NOT_RESOLVED)


def test_a_port_at_which_nobody_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for scheme in ("postgresql", "mariadb"):
        url = f"{scheme}://reader@127.0.0.1:{port}/shop"
        assert _fault(orders(url)) == (TransientError, Fault.REFUSED)


def test_an_address_that_is_not_allowed_is_named_so() -> None:
    url = "postgresql://reader@169.254.169.254/shop"
    nowhere = Guard(AddressPolicy(()))
    assert _fault(orders(url), nowhere) == (PermanentError, Fault.ADDRESS_NOT_ALLOWED)


def test_a_wrong_password_is_a_login(mariadb: MariaDb) -> None:
    config = orders(mariadb.url, password="not it")
    assert _fault(config) == (PermanentError, Fault.LOGIN)


def test_a_database_that_is_not_there_is_not_found(source: Postgres, mariadb: MariaDb) -> None:
    for server, more in ((source, {}), (mariadb, {"password": PASSWORD})):
        url = f"{server.url.rpartition('/')[0]}/nothing"
        found = _fault(orders(url, **more))
        # MariaDB does not tell whoever may not see it.
        assert found in ((PermanentError, Fault.NOT_FOUND), (PermanentError, Fault.PERMISSION))


def test_a_server_without_tls_is_told_apart(source: Postgres) -> None:
    assert _fault(orders(f"{source.url}?sslmode=require")) == (PermanentError, Fault.TLS)


@pytest.mark.parametrize("server_name", ["source", "mariadb"])
def test_each_table_that_cannot_be_read_is_told_with_its_fault(
    server_name: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(server_name)
    for name in ("good", "without_cursor", "bad_cursor"):
        server.execute(TABLE.replace("orders", name))
    streams = [
        {"table": "gone", "primary_key": ["id"]},
        {"table": "good", "primary_key": ["id"], "cursor": "changed"},
        {"table": "without_cursor", "primary_key": ["id"], "cursor": "nothing"},
        {"table": "bad_cursor", "primary_key": ["nothing"]},
    ]
    config = {"url": server.url, "streams": streams}
    if server_name == "mariadb":
        config["password"] = PASSWORD
    failures = _check(config)
    assert [(one.stream, one.error.fault) for one in failures] == [
        ("gone", Fault.NOT_FOUND),
        ("without_cursor", Fault.SCHEMA),
        ("bad_cursor", Fault.SCHEMA),
    ]


def test_a_table_that_may_not_be_read_is_a_permission(source: Postgres) -> None:
    source.execute(
        TABLE,
        "DROP ROLE IF EXISTS look_reader",
        "CREATE ROLE look_reader LOGIN",
        TABLE.replace("orders", "lines"),
        "GRANT SELECT ON lines TO look_reader",
    )
    url = source.url.replace("postgres@", "look_reader@")
    streams = [{"table": name, "primary_key": ["id"]} for name in ("orders", "lines")]
    try:
        failures = _check({"url": url, "streams": streams})
        assert [(one.stream, one.error.fault) for one in failures] == [("orders", Fault.PERMISSION)]
    finally:
        source.execute("DROP OWNED BY look_reader", "DROP ROLE look_reader")


def test_the_tables_and_views_are_offered_with_keys_and_what_may_be_a_cursor(
    source: Postgres,
) -> None:
    source.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, note text, amount numeric(9, 2) NOT NULL,"
        " created_at timestamptz, updated_at timestamptz, day date)",
        "CREATE TABLE lines (orders_id int, line int, PRIMARY KEY (orders_id, line))",
        "CREATE VIEW totals AS SELECT id, amount FROM orders",
        "CREATE SCHEMA archive CREATE TABLE old (id int PRIMARY KEY)",
    )
    try:
        offered = _offered(orders(source.url))
        assert set(offered) == {"orders", "lines", "totals", "archive.old"}
        orders_offered = offered["orders"]
        assert (orders_offered.kind, orders_offered.primary_key) == ("table", ("id",))
        assert orders_offered.cursors == ("updated_at", "created_at", "day", "id")
        assert [(one.name, one.is_nullable) for one in orders_offered.columns] == [
            ("id", False),
            ("note", True),
            ("amount", False),
            ("created_at", True),
            ("updated_at", True),
            ("day", True),
        ]
        assert offered["lines"].primary_key == ("orders_id", "line")
        assert (offered["totals"].kind, offered["totals"].primary_key) == ("view", ())
        assert offered["archive.old"].settings["schema"] == "archive"
    finally:
        source.execute("DROP SCHEMA archive CASCADE")


def test_what_a_stream_is_offered_with_selects_it(source: Postgres, mariadb: MariaDb) -> None:
    for server, more in ((source, {}), (mariadb, {"password": PASSWORD})):
        server.execute("CREATE TABLE orders (id int PRIMARY KEY, updated_at timestamp NULL)")
        offered = _offered({**orders(server.url), **more})["orders"]
        assert offered.settings == {
            "table": "orders",
            "primary_key": ["id"],
            "cursor": "updated_at",
        }
        assert _check({"url": server.url, "streams": [offered.settings], **more}) == []


def test_a_source_that_lets_nobody_in_offers_nothing(mariadb: MariaDb) -> None:
    with pytest.raises(SynclineError, match="refused the login"):
        _offered(orders(mariadb.url, password="not it"))


def test_a_look_imports_no_dlt(source: Postgres) -> None:
    source.execute(TABLE)
    program = f"""
import sys
from shared.connectors.base import SourceAccess
from shared.connectors.database import CONNECTOR_TYPE
from shared.connectors.database.config import DatabaseConfig
from tests.loopback import LOOPBACK
access = SourceAccess(config=DatabaseConfig.model_validate({orders(source.url)!r}), guard=LOOPBACK)
assert CONNECTOR_TYPE.check(access) == [] and CONNECTOR_TYPE.streams(access)
sys.exit("dlt" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_look_at_many_tables_of_mariadb_asks_for_no_more_than_it_tells(
    mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    mariadb.execute(*(f"CREATE TABLE t{number:03} (id int)" for number in range(80)))
    monkeypatch.setattr(looking, "MOST_STREAMS", 10)
    monkeypatch.setattr(look, "_AT_ONCE", 8)
    asked = "SHOW GLOBAL STATUS LIKE 'Com_show_create_table'"
    ((_, before),) = mariadb.rows(asked)
    offer = CONNECTOR_TYPE.streams(_access(orders(mariadb.url, password=PASSWORD)))
    ((_, after),) = mariadb.rows(asked)
    assert ([one.name for one in offer], offer.is_truncated) == (
        [f"t{number:03}" for number in range(10)],
        True,
    )
    assert int(after) - int(before) <= 2 * 2 * 8  # for columns and keys, two batches


def test_a_look_at_a_file_reads_no_more_than_the_first_rows_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SqliteFile(tmp_path)
    file.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, changed INTEGER)",
        "INSERT INTO orders VALUES (1, 1), (2, 2), (3, 'three')",
    )
    access = SourceAccess(
        config=DatabaseConfig.model_validate(orders(file.url)), guard=LOOPBACK, files=file.files
    )
    # A text among numbers is no cursor: of the whole table that is so, of its first rows not.
    (failure,) = CONNECTOR_TYPE.check(access)
    assert failure.error.fault == Fault.SCHEMA
    monkeypatch.setattr(look, "_ROWS_SEEN", 2)
    assert CONNECTOR_TYPE.check(access) == []
    (offered,) = CONNECTOR_TYPE.streams(access)
    assert offered.cursors == ("changed", "id")
