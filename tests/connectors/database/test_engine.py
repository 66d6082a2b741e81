"""A connection to a source can change nothing and does not wait for ever."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.engine import source_engine
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import PermanentError
from tests.connectors.databases import PASSWORD, MariaDb, Postgres, orders
from tests.loopback import LOOPBACK


def _answers(config: dict[str, object], *queries: str) -> list[object]:
    engine = source_engine(DatabaseConfig.model_validate(config), LOOPBACK, Lines())
    with engine.connect() as connection:
        return [connection.scalar(text(query)) for query in queries]


def test_a_postgresql_session_is_in_utc_and_has_a_deadline(source: Postgres) -> None:
    answers = _answers(orders(source.url), "SHOW timezone", "SHOW statement_timeout")
    assert answers == ["UTC", "15min"]


def test_a_mariadb_session_is_in_utc(mariadb: MariaDb) -> None:
    config = orders(mariadb.url, password=PASSWORD)
    assert _answers(config, "SELECT @@session.time_zone") == ["+00:00"]


def test_a_postgresql_source_cannot_be_written(source: Postgres) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"):
        _answers(orders(source.url), "CREATE TABLE written (id int)")


def test_a_mariadb_source_cannot_be_written(mariadb: MariaDb) -> None:
    mariadb.execute("CREATE TABLE orders (id int)")
    with pytest.raises(DBAPIError, match="READ ONLY transaction"):
        _answers(orders(mariadb.url, password=PASSWORD), "INSERT INTO orders VALUES (1)")


@pytest.mark.parametrize("driver", ["postgresql", "mysql"])
@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "this machine itself"),
        ("localhost", "this machine itself"),
        ("10.1.2.3", "a private network"),
        ("169.254.169.254", "the metadata service of the cloud"),
    ],
)
def test_a_source_is_reached_by_checked_addresses_alone(driver: str, host: str, kind: str) -> None:
    config = {
        "url": f"{driver}://reader@{host}:1/shop",
        "streams": [{"table": "orders", "primary_key": ["id"]}],
    }
    engine = source_engine(DatabaseConfig.model_validate(config), Guard(), Lines())
    with pytest.raises(PermanentError, match=f"{host} leads to {kind}"):
        engine.connect()
    engine.dispose()
