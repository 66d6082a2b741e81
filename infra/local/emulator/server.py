"""A process with a gRPC port and a control port, on loopback only, until it is told to stop."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from aiohttp import web

from infra.local.emulator.addresses import HOST, Addresses
from shared.errors import ConfigurationError

_GRACE_SECONDS = 0.5
_STOP_SECONDS = 1.0
_GRPC_OPTIONS = (
    # gRPC would share a port with another process that serves it, and calls would go to either.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),  # a batch of 100 tasks has up to 100 MiB
)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the command line of every server decides; port 0 is any free port."""

    port: int
    control_port: int
    key_file: Path


def stop_requested() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on."""
    requested = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, requested.set)
    return requested


@asynccontextmanager
async def listening(
    options: ServerOptions, handlers: Sequence[grpc.GenericRpcHandler], control: web.Application
) -> AsyncGenerator[Addresses, None]:
    """Serve the gRPC handlers and the control application for the length of the block.

    Raises `ConfigurationError` if a port cannot be listened on.
    """
    async with (
        _control(control, options.control_port) as control_port,
        _grpc(handlers, options.port) as port,
    ):
        yield Addresses.of_ports(port, control_port)


@asynccontextmanager
async def _control(app: web.Application, port: int) -> AsyncGenerator[int, None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    try:
        listener = _listener(port)
        await web.SockSite(runner, listener).start()
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _grpc(handlers: Sequence[grpc.GenericRpcHandler], port: int) -> AsyncGenerator[int, None]:
    server = grpc.aio.server(options=_GRPC_OPTIONS)
    server.add_generic_rpc_handlers(handlers)
    # Of a taken port gRPC says less, and writes lines of its own to standard error.
    _listener(port).close()
    try:
        bound = server.add_insecure_port(f"{HOST}:{port}")
    except RuntimeError as error:
        raise _unusable(port, "taken meanwhile") from error
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(_GRACE_SECONDS)


def _listener(port: int) -> socket.socket:
    """Return a socket that listens on the port; raise `ConfigurationError` if it cannot."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise _unusable(port, error.strerror) from error


def _unusable(port: int, reason: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"Port {port} of {HOST} cannot be listened on ({reason}):"
        " end the process that uses it, or choose another."
    )
