"""The moving part: waits for the next instant, sends what is due and records how it ended."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import assert_never

from infra.local.cloud_scheduler.faults import Fault, FaultKind, FaultPlan
from infra.local.cloud_scheduler.registry import Delivery, Registry
from infra.local.cloud_scheduler.sender import Sender

# A wall clock that is set, or a machine that slept, is noticed this soon.
_LONGEST_NAP = timedelta(seconds=1)


class ShiftedClock:
    """The scheduler's own idea of now, which tests move ahead."""

    def __init__(self, true_now: Callable[[], datetime]) -> None:
        self._true_now = true_now
        self._shift = timedelta(0)

    def now(self) -> datetime:
        """Return the scheduler's present, an aware UTC instant."""
        return self._true_now() + self._shift

    def advance(self, by: timedelta) -> None:
        """Move the present ahead."""
        self._shift += by


class Engine:
    """Runs the jobs of a registry until it is cancelled."""

    def __init__(
        self, registry: Registry, faults: FaultPlan, sender: Sender, clock: ShiftedClock
    ) -> None:
        self.registry = registry
        self.faults = faults
        self.clock = clock
        self._sender = sender
        self._changed = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send what is due, for ever; on cancellation end what is under way."""
        try:
            while True:
                self._changed.clear()
                self.start(self.registry.due(self.clock.now()))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._nap().total_seconds()):
                        await self._changed.wait()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def wake(self) -> None:
        """Look again at what is due: a job or the clock has changed."""
        self._changed.set()

    def start(self, deliveries: list[Delivery]) -> None:
        """Begin to send deliveries, each in a task of its own."""
        for delivery in deliveries:
            task = asyncio.create_task(self._carry_out(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _nap(self) -> timedelta:
        wake_at = self.registry.wake_at()
        if wake_at is None:
            return _LONGEST_NAP
        return max(timedelta(0), min(wake_at - self.clock.now(), _LONGEST_NAP))

    async def _carry_out(self, delivery: Delivery) -> None:
        """Send a delivery, or do to it what its fault says, and record how it ended."""
        fault = self._fault_of(delivery)
        if fault is None:
            await self._send(delivery)
            return
        match fault.kind:
            case FaultKind.DROP:
                self.registry.forget(delivery)
            case FaultKind.DELIVER_TWICE:
                await self._send(delivery)
                await self._sender.send(delivery)
            case FaultKind.DELIVER_TWICE_AT_ONCE:
                await asyncio.gather(self._send(delivery), self._sender.send(delivery))
            case FaultKind.DELAY:
                await asyncio.sleep(fault.seconds)
                await self._send(delivery)
            case _:
                assert_never(fault.kind)

    async def _send(self, delivery: Delivery) -> None:
        code = await self._sender.send(delivery)
        self.registry.finish(delivery, code, self.clock.now())
        self.wake()

    def _fault_of(self, delivery: Delivery) -> Fault | None:
        if delivery.attempt.number > 1:
            return None
        job_id = delivery.job_name.rpartition("/")[2]
        return self.faults.take(job_id, delivery.attempt.scheduled_at)
