"""A resolver that answers as a test says, for names that no machine can resolve."""

import socket
from unittest.mock import Mock

import pytest

from shared.egress import names


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: list[str]) -> Mock:
    """Let the system's resolver give these answers, one after the other."""
    given = iter(addresses)

    def ask(*_: object, **__: object) -> list:
        return [(socket.AF_INET, 1, 6, "", (one, 0)) for one in next(given)]

    asked = Mock(side_effect=ask)
    monkeypatch.setattr(names.socket, "getaddrinfo", asked)
    return asked
