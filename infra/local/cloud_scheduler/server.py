"""Puts the parts together: one process with a gRPC port and a control port, on loopback only."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from aiohttp import web

from infra.local.cloud_scheduler.control import Control
from infra.local.cloud_scheduler.engine import Engine, ShiftedClock
from infra.local.cloud_scheduler.faults import FaultPlan
from infra.local.cloud_scheduler.registry import Registry
from infra.local.cloud_scheduler.sender import Sender
from infra.local.cloud_scheduler.service import CloudSchedulerService
from infra.local.identity import LocalSigner
from shared.clock import utc_now
from shared.errors import ConfigurationError

_HOST = "127.0.0.1"
_GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What to listen on; port 0 takes a free one."""

    port: int
    control_port: int
    key_file: Path


@dataclass(frozen=True, slots=True)
class Ports:
    """What is listened on."""

    port: int
    control_port: int


async def serve(options: Options, ready: Callable[[Ports], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the ports once they answer.

    Raises `ConfigurationError` if a port is taken or the key file holds something else.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    signer = LocalSigner.load_or_create(options.key_file)
    async with Sender(signer, utc_now) as sender:
        engine = Engine(Registry(), FaultPlan(), sender, ShiftedClock(utc_now))
        async with (
            _control(engine, signer, options.control_port) as control_port,
            _grpc(engine, options.port) as port,
        ):
            work = asyncio.create_task(engine.run())
            ready(Ports(port, control_port))
            stopping = asyncio.create_task(stop.wait())
            # An engine that ends by itself has failed: its error is raised here.
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await _ended(work)


async def _ended(work: asyncio.Task[None]) -> None:
    if not work.done():
        work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        return


@asynccontextmanager
async def _control(engine: Engine, signer: LocalSigner, port: int) -> AsyncGenerator[int, None]:
    runner = web.AppRunner(Control(engine, signer).app(), access_log=None)
    await runner.setup()
    try:
        listener = _listener(port)
        await web.SockSite(runner, listener).start()
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _grpc(engine: Engine, port: int) -> AsyncGenerator[int, None]:
    # gRPC would share a port with another process that serves it, and calls would go to either.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((CloudSchedulerService(engine).handler(),))
    _listener(port).close()
    bound = server.add_insecure_port(f"{_HOST}:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(_GRACE_SECONDS)


def _listener(port: int) -> socket.socket:
    """Return a socket that listens on the port; raise `ConfigurationError` if it is taken."""
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of {_HOST} cannot be listened on ({error.strerror}):"
            " end the process that uses it, or choose another."
        ) from error
