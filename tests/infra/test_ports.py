"""The rules of `infra.local.ports`."""

import socket
from dataclasses import astuple

import pytest

from infra.local.ports import HOST, Ports, free_port, is_free
from shared.errors import ConfigurationError


def test_the_ports_follow_the_base() -> None:
    assert astuple(Ports.from_base("9000")) == tuple(range(9000, 9009))


@pytest.mark.parametrize("text", ["", "0", "-1", "http", "65528", "8080.5", "²"])
def test_a_base_that_cannot_be_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SYNCLINE_PORT_BASE is .* such as 8080"):
        Ports.from_base(text)


def test_free_ports_are_free_and_differ() -> None:
    ports = astuple(Ports.free())

    assert len(set(ports)) == 9
    assert all(map(is_free, ports))


def test_a_taken_port_is_named_with_its_part_and_the_way_out() -> None:
    ports = Ports.free()
    with (
        socket.create_server((HOST, ports.tasks_control)),
        pytest.raises(ConfigurationError) as caught,
    ):
        ports.require_free()

    assert str(caught.value).startswith(f"Port {ports.tasks_control}, for tasks control, is taken")
    assert "SYNCLINE_PORT_BASE=" in str(caught.value)


def test_a_port_is_free_until_somebody_listens_on_it() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server((HOST, port)):
        assert not is_free(port)
