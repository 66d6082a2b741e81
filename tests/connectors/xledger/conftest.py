from collections.abc import Iterator

import pytest

from tests.connectors.xledger.server import GraphQlServer, graphql_server


@pytest.fixture
def server() -> Iterator[GraphQlServer]:
    with graphql_server() as server:
        yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let repeats of a request follow at once."""
    from shared.connectors.json_http import session as json_session  # noqa: PLC0415 (dlt is slow)
    from shared.connectors.xledger import session  # noqa: PLC0415 (as above)

    monkeypatch.setattr(json_session, "REPEAT_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(session, "SHORT_PAUSES", (0.01, 0.01, 0.01))
