"""Puts the parts together and serves until it is told to stop."""

import asyncio
import json
import signal
import socket
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from aiohttp import web

from infra.local.cloud_tasks.cloud import CloudState, Rules
from infra.local.cloud_tasks.control import Control
from infra.local.cloud_tasks.dispatcher import Dispatcher
from infra.local.cloud_tasks.faults import FaultPlan
from infra.local.cloud_tasks.service import TasksService
from infra.local.identity import LocalSigner
from shared.clock import utc_now
from shared.errors import ConfigurationError

_HOST = "127.0.0.1"
_STOP_SECONDS = 1.0
_GRPC_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a port that two share
    ("grpc.max_receive_message_length", -1),  # a batch of 100 tasks has up to 100 MiB
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides; port 0 is any free port."""

    port: int
    control_port: int
    key_file: Path
    rules: Rules


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens: the first line that it prints, as JSON."""

    address: str
    control_url: str
    certs_url: str


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; raise `ConfigurationError` if a port is taken."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    signer = LocalSigner.load_or_create(options.key_file)
    faults = FaultPlan()
    cloud = CloudState(options.rules, utc_now())
    async with AsyncExitStack() as stack:
        dispatcher = await stack.enter_async_context(Dispatcher(signer, faults))
        port = await _serve_grpc(stack, TasksService(cloud, dispatcher, faults), options.port)
        control = Control(cloud, dispatcher, faults, signer)
        control_port = await _serve_control(stack, control, options.control_port)
        control_url = f"http://{_HOST}:{control_port}"
        addresses = Addresses(f"{_HOST}:{port}", control_url, f"{control_url}/certs")
        print(json.dumps(asdict(addresses)), flush=True)
        await stopped.wait()


async def _serve_grpc(stack: AsyncExitStack, service: TasksService, port: int) -> int:
    server = grpc.aio.server(options=_GRPC_OPTIONS)
    server.add_generic_rpc_handlers(service.handlers())
    try:
        bound = server.add_insecure_port(f"{_HOST}:{port}")
    except RuntimeError as error:
        raise _taken(port) from error
    await server.start()
    stack.push_async_callback(server.stop, grace=None)
    return bound


async def _serve_control(stack: AsyncExitStack, control: Control, port: int) -> int:
    try:
        listener = socket.create_server((_HOST, port))
    except OSError as error:
        raise _taken(port) from error
    runner = web.AppRunner(control.app(), access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener).start()
    return listener.getsockname()[1]


def _taken(port: int) -> ConfigurationError:
    return ConfigurationError(
        f"Port {port} of {_HOST} is taken: end the process that listens on it, or choose another."
    )
