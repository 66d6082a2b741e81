"""Ask a source for something over a connection that is encrypted in some way."""

from typing import Any

from sqlalchemy import make_url, text

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.database.engine import source_engine
from shared.connectors.failures import source_failure
from shared.egress.lines import Lines
from shared.errors import SynclineError
from tests.connectors.databases import PASSWORD, orders
from tests.loopback import LOOPBACK


def answer(
    url: str, query: str, *, host: str | None = None, port: int | None = None, **tls: Any
) -> Any:
    """Return what a source answers; `tls` are the settings of its connector."""
    changed = make_url(url)
    changed = changed.set(host=host or changed.host, port=port or changed.port)
    config = orders(changed.render_as_string(), password=PASSWORD) | tls
    engine = source_engine(DatabaseConfig.model_validate(config), LOOPBACK, Lines())
    with engine.connect() as connection:
        return connection.scalar(text(query))


def refusal(url: str, **settings: Any) -> tuple[type[SynclineError], str, str]:
    """Return what people are told when a source cannot be asked: class, code and sentence."""
    try:
        answered = answer(url, "SELECT 1", **settings)
    except Exception as error:  # noqa: BLE001 (whatever it is, the connector translates it)
        failure = source_failure(error)
        return type(failure), failure.code, str(failure)
    raise AssertionError(f"it answered {answered}")
