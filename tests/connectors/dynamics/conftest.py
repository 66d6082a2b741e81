from collections.abc import Iterator

import pytest

from tests.connectors.dynamics.odata_server import ODataServer, odata_server


@pytest.fixture
def server() -> Iterator[ODataServer]:
    with odata_server() as server:
        yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let repeats of a request follow at once."""
    from shared.connectors.json_http import session  # noqa: PLC0415 (as the settings are, without dlt)

    monkeypatch.setattr(session, "REPEAT_PAUSES", (0.01, 0.01, 0.01))
