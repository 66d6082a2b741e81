"""Both local clouds in one process, with the queues and the tick job of one deployment.

`python -m infra.local.cloud` is what the local stack runs: most of what the two cost at the start
is imports that they share. The deployment is that of the environment, as for the functions.
"""

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

from infra.local.cloud_scheduler.server import serve as serve_scheduler
from infra.local.cloud_tasks.cloud import Rules
from infra.local.cloud_tasks.server import serve as serve_tasks
from infra.local.emulator.addresses import Addresses
from infra.local.emulator.command import port_number, run_server
from infra.local.emulator.server import ServerOptions, stop_requested
from shared.config import Settings
from shared.gcp.queues import ensure_queues
from shared.gcp.task_queue import tasks_client
from shared.gcp.tick_job import ensure_tick_job, scheduler_client


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; return 1, with one sentence on standard error, if that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.cloud", description=__doc__)
    parser.add_argument("--key-file", type=Path, required=True)
    for part in ("tasks", "tasks-control", "scheduler", "scheduler-control"):
        parser.add_argument(f"--{part}-port", type=port_number, required=True)
    parsed = parser.parse_args(arguments)
    tasks = ServerOptions(parsed.tasks_port, parsed.tasks_control_port, parsed.key_file)
    scheduler = ServerOptions(parsed.scheduler_port, parsed.scheduler_control_port, parsed.key_file)

    async def work() -> None:
        await _serve(tasks, scheduler, Settings.from_env())

    return run_server("cloud", work)


async def _serve(tasks: ServerOptions, scheduler: ServerOptions, settings: Settings) -> None:
    stop, listening = stop_requested(), asyncio.Semaphore(0)

    def announce(_: Addresses) -> None:
        listening.release()

    parts: list[Coroutine[None, None, None]] = [
        serve_tasks(tasks, Rules(), stop, announce),
        serve_scheduler(scheduler, stop, announce),
    ]
    servers = [asyncio.create_task(part) for part in parts]
    try:
        await _prepared(servers, _prepare(listening, len(servers), settings))
        # Whatever ends first ends all: a server that could not start, or the signal.
        await asyncio.wait(servers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.gather(*servers)


async def _prepared(
    servers: Sequence[asyncio.Task[None]], preparation: Coroutine[None, None, None]
) -> None:
    """Prepare what the servers serve, unless one of them ends before."""
    preparing = asyncio.create_task(preparation)
    await asyncio.wait({preparing, *servers}, return_when=asyncio.FIRST_COMPLETED)
    if preparing.done():
        await preparing
    preparing.cancel()


async def _prepare(listening: asyncio.Semaphore, servers: int, settings: Settings) -> None:
    for _ in range(servers):
        await listening.acquire()
    await asyncio.to_thread(_make_queues_and_tick, settings)


def _make_queues_and_tick(settings: Settings) -> None:
    ensure_queues(tasks_client(settings.tasks_emulator), settings)
    ensure_tick_job(
        scheduler_client(settings.scheduler_emulator),
        project=settings.project,
        location=settings.location,
        dispatcher_url=settings.dispatcher_url,
        service_account=settings.scheduler_service_account,
    )


if __name__ == "__main__":
    sys.exit(main())
