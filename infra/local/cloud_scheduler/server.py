"""Puts the parts together and serves until it is told to stop."""

import asyncio
from collections.abc import Callable

from infra.local.cloud_scheduler.control import Control
from infra.local.cloud_scheduler.engine import Engine, ShiftedClock
from infra.local.cloud_scheduler.faults import FaultPlan
from infra.local.cloud_scheduler.registry import Registry
from infra.local.cloud_scheduler.sender import Sender
from infra.local.cloud_scheduler.service import CloudSchedulerService
from infra.local.emulator.addresses import Addresses, print_addresses
from infra.local.emulator.control import control_app
from infra.local.emulator.server import ServerOptions, listening
from infra.local.identity import LocalSigner
from shared.clock import utc_now


async def serve(
    options: ServerOptions,
    stop: asyncio.Event,
    announce: Callable[[Addresses], None] = print_addresses,
) -> None:
    """Serve until `stop` is set; announce the addresses once they answer.

    Raises `ConfigurationError` if a port is taken or the key file holds something else.
    """
    signer = LocalSigner.load_or_create(options.key_file)
    async with Sender(signer, utc_now) as sender:
        engine = Engine(Registry(), FaultPlan(), sender, ShiftedClock(utc_now))
        handler = CloudSchedulerService(engine).handler()
        control = control_app(signer, engine.faults.switches, Control(engine).routes())
        async with listening(options, (handler,), control) as addresses:
            work = asyncio.create_task(engine.run())
            announce(addresses)
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
