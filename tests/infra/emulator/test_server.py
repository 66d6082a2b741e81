import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from aiohttp import web

from infra.local.emulator.addresses import Addresses
from infra.local.emulator.server import ServerOptions, listening, stop_requested
from shared.errors import ConfigurationError

KEY_FILE = Path("unused.pem")


def can_connect(place: str) -> bool:
    host, _, port = place.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), 20).close()
    except ConnectionRefusedError:
        return False
    return True


async def serve(port: int, control_port: int) -> tuple[Addresses, list[bool]]:
    """Listen once and return the addresses and whether gRPC and control could be reached."""
    options = ServerOptions(port, control_port, KEY_FILE)
    async with listening(options, (), web.Application()) as addresses:
        reached = [can_connect(addresses.address), can_connect(addresses.control_url)]
    return addresses, reached


def test_both_ports_listen_within_the_block_and_not_after_it() -> None:
    addresses, reached = asyncio.run(serve(0, 0))
    assert reached == [True, True]
    assert not can_connect(addresses.address)
    assert not can_connect(addresses.control_url)


@pytest.mark.parametrize("taken_first", [True, False])
def test_a_taken_port_is_one_sentence(*, taken_first: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = (port, 0) if taken_first else (0, port)
        with pytest.raises(ConfigurationError, match=f"Port {port} of 127.0.0.1 cannot be"):
            asyncio.run(serve(*ports))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_requests_the_stop(number: signal.Signals) -> None:
    async def wait() -> bool:
        stop = stop_requested()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(20):
            return await stop.wait()

    assert asyncio.run(wait())
