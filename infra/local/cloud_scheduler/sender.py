"""Sends one delivery over HTTP and says in google.rpc codes how it ended."""

import logging
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp
from grpc import StatusCode

from infra.local.cloud_scheduler.registry import Delivery
from infra.local.cloud_scheduler.request import outgoing_request
from infra.local.emulator.codes import is_success, status_code_of
from infra.local.emulator.outgoing import NoAnswerError, answer_to
from infra.local.identity import LocalSigner
from shared.logs import log_event

_log = logging.getLogger(__name__)


class Sender:
    """An HTTP client that signs its requests; an async context manager."""

    def __init__(self, signer: LocalSigner, now: Callable[[], datetime]) -> None:
        """`now` dates the tokens: the true clock, since others verify them by theirs."""
        self._signer = signer
        self._now = now
        # Ticks are a minute apart, and a kept connection would be closed by then: each has its own.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(self, delivery: Delivery) -> int:
        """Send and return the code: OK only for an answer of 200 to 299 before the deadline."""
        request = outgoing_request(delivery, self._signer, self._now())
        try:
            status = await answer_to(request, self._session, follow_redirects=True)
        except TimeoutError:
            _warn(delivery, "The target did not answer in time")
            return StatusCode.DEADLINE_EXCEEDED.value[0]
        except NoAnswerError as error:
            _warn(delivery, "The target could not be called", cause=str(error))
            return StatusCode.UNAVAILABLE.value[0]
        if not is_success(status):
            _warn(delivery, "The target answered with a failure", status=status)
        return status_code_of(status).value[0]


def _warn(delivery: Delivery, sentence: str, **fields: object) -> None:
    log_event(
        _log,
        logging.WARNING,
        "attempt_failed",
        sentence,
        job=delivery.job_name,
        uri=delivery.target.uri,
        **fields,
    )
