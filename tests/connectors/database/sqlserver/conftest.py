"""A server for each test, with an empty database."""

from collections.abc import Iterator

import pytest

from tests.connectors.database.sqlserver.server.running import SqlServer, running_sql_server


@pytest.fixture
def sql_server() -> Iterator[SqlServer]:
    """Return a server that speaks TDS on a port of loopback."""
    with running_sql_server() as server:
        yield server
