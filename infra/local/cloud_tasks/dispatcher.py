"""Sends what is due: one timer a queue, one asyncio task an attempt."""

import asyncio
import logging
from datetime import timedelta
from typing import Self

import aiohttp

from infra.local.cloud_tasks.faults import FaultKind, FaultPlan
from infra.local.cloud_tasks.outcome import DEADLINE_EXCEEDED, NO_ANSWER, Outcome
from infra.local.cloud_tasks.outgoing import outgoing_request
from infra.local.cloud_tasks.queue import Attempt, QueueState
from infra.local.emulator.outgoing import NoAnswerError, OutgoingRequest, answer_to
from infra.local.identity import LocalSigner
from shared.clock import utc_now
from shared.logs import log_event

_LOG = logging.getLogger(__name__)
# A wall clock that is set while a timer runs must not put a queue to sleep.
_LONGEST_SLEEP = timedelta(seconds=5)
# Below the idle time after which common servers close: a request on a closing connection fails.
_KEEP_ALIVE_SECONDS = 1.0


class Dispatcher:
    """Delivers attempts over HTTP. Use it as a context manager in the loop that it works in."""

    def __init__(self, signer: LocalSigner, faults: FaultPlan) -> None:
        self._signer = signer
        self._faults = faults
        self._timers: dict[QueueState, asyncio.TimerHandle] = {}
        self._deliveries: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Content-Type",),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.gather(*self.abandon(), return_exceptions=True)
        await self._session.close()

    def abandon(self) -> list[asyncio.Task[None]]:
        """Break off everything under way, as the end of the service would; return what ends.

        It awaits nothing: whoever clears the state does so before another call comes in.
        """
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        deliveries = list(self._deliveries)
        for delivery in deliveries:
            delivery.cancel()
        return deliveries

    def poke(self, queue: QueueState) -> None:
        """Begin every attempt that may begin now, and come back when the next one may."""
        now = utc_now()
        while (attempt := queue.take(now)) is not None:
            self.begin(queue, attempt)
        wake_at = queue.next_wake(now)
        if wake_at is not None:
            self._arm(queue, min(wake_at - now, _LONGEST_SLEEP))

    def begin(self, queue: QueueState, attempt: Attempt) -> None:
        """Deliver an attempt in the background and settle it."""
        delivery = asyncio.create_task(self._deliver(queue, attempt))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    def _arm(self, queue: QueueState, wait: timedelta) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + wait.total_seconds()
        timer = self._timers.get(queue)
        if timer is not None:
            if timer.when() <= at:
                return
            timer.cancel()
        self._timers[queue] = loop.call_at(at, self._wake, queue)

    def _wake(self, queue: QueueState) -> None:
        del self._timers[queue]
        self.poke(queue)

    async def _deliver(self, queue: QueueState, attempt: Attempt) -> None:
        request = outgoing_request(queue.name, attempt, self._signer, utc_now())
        if self._faults.hits(FaultKind.DELIVER_TWICE_AT_ONCE, queue.name):
            outcome, _ = await asyncio.gather(self._send(request), self._send(request))
        else:
            outcome = await self._send(request)
        if self._faults.hits(FaultKind.DELIVER_TWICE, queue.name):
            await self._send(request)
        queue.settle(attempt, outcome, utc_now())
        if not outcome.is_success:
            log_event(
                _LOG,
                logging.INFO,
                "attempt_failed",
                f"Attempt failed: {outcome.text}",
                queue=queue.name,
                task=attempt.task.task_id,
                attempt=attempt.number,
            )
        self.poke(queue)

    async def _send(self, request: OutgoingRequest) -> Outcome:
        try:
            return Outcome(await answer_to(request, self._session, follow_redirects=False))
        except TimeoutError:
            return DEADLINE_EXCEEDED
        except NoAnswerError:
            return NO_ANSWER
