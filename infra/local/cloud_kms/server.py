"""Puts the parts together and serves until it is told to stop."""

import asyncio
from collections.abc import Callable

from infra.local.cloud_kms.faults import FaultPlan
from infra.local.cloud_kms.keys import KeyStore
from infra.local.cloud_kms.service import CloudKmsService
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
    faults = FaultPlan()
    service = CloudKmsService(KeyStore(), faults, utc_now)
    signer = LocalSigner.load_or_create(options.key_file)
    control = control_app(signer, faults.switches, ())
    async with listening(options, (service.handler(),), control) as addresses:
        announce(addresses)
        await stop.wait()
