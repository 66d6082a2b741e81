from collections.abc import Iterator

import pytest

from shared.egress.guard import Guard
from shared.egress.lines import Lines
from tests.egress.hostile import Hostile, hostile_server
from tests.loopback import LOOPBACK


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile_server() as server:
        yield server


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    with lines.watched():
        yield lines


@pytest.fixture
def guard() -> Guard:
    """Return a guard of a deployment that allows loopback."""
    return LOOPBACK
