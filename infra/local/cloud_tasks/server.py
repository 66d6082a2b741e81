"""Puts the parts together and serves until it is told to stop."""

import asyncio
from collections.abc import Callable

from infra.local.cloud_tasks.cloud import CloudState, Rules
from infra.local.cloud_tasks.control import Control
from infra.local.cloud_tasks.dispatcher import Dispatcher
from infra.local.cloud_tasks.faults import FaultPlan
from infra.local.cloud_tasks.service import TasksService
from infra.local.emulator.addresses import Addresses, print_addresses
from infra.local.emulator.control import control_app
from infra.local.emulator.server import ServerOptions, listening
from infra.local.identity import LocalSigner
from shared.clock import utc_now


async def serve(
    options: ServerOptions,
    rules: Rules,
    stop: asyncio.Event,
    announce: Callable[[Addresses], None] = print_addresses,
) -> None:
    """Serve until `stop` is set; announce the addresses once they answer.

    Raises `ConfigurationError` if a port is taken or the key file holds something else.
    """
    signer = LocalSigner.load_or_create(options.key_file)
    faults = FaultPlan()
    cloud = CloudState(rules, utc_now())
    async with Dispatcher(signer, faults) as dispatcher:
        service = TasksService(cloud, dispatcher, faults)
        control = control_app(signer, faults.switches, Control(cloud, dispatcher).routes())
        async with listening(options, service.handlers(), control) as addresses:
            announce(addresses)
            await stop.wait()
