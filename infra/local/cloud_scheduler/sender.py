"""Sends one delivery over HTTP and says in google.rpc codes how it ended."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp
from google.rpc import code_pb2

from infra.local.cloud_scheduler.messages import method_name
from infra.local.cloud_scheduler.registry import Delivery
from infra.local.cloud_scheduler.request import audience_of, headers_of
from infra.local.identity import LocalSigner
from shared.logs import log_event

_log = logging.getLogger(__name__)
_FIRST_SUCCESS, _AFTER_SUCCESS = 200, 300
_CODES = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    409: code_pb2.ABORTED,
    429: code_pb2.RESOURCE_EXHAUSTED,
    499: code_pb2.CANCELLED,
    500: code_pb2.INTERNAL,
    501: code_pb2.UNIMPLEMENTED,
    503: code_pb2.UNAVAILABLE,
    504: code_pb2.DEADLINE_EXCEEDED,
}


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
            timeout=aiohttp.ClientTimeout(total=None),  # the deadline of the job is the only one
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
        try:
            async with asyncio.timeout(delivery.deadline.total_seconds()):
                status = await self._status_of(delivery)
        except TimeoutError:
            _warn(delivery, "The target did not answer in time")
            return code_pb2.DEADLINE_EXCEEDED
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _warn(delivery, "The target could not be called", cause=str(error))
            return code_pb2.UNAVAILABLE
        if _FIRST_SUCCESS <= status < _AFTER_SUCCESS:
            return code_pb2.OK
        _warn(delivery, "The target answered with a failure", status=status)
        return _CODES.get(status, code_pb2.UNKNOWN)

    async def _status_of(self, delivery: Delivery) -> int:
        target = delivery.target
        headers = headers_of(delivery)
        if target.HasField("oidc_token"):
            email = target.oidc_token.service_account_email
            token = self._signer.token(email, audience_of(target), self._now())
            headers["Authorization"] = f"Bearer {token}"
        async with self._session.request(
            method_name(target), target.uri, headers=headers, data=target.body or None
        ) as response:
            await response.read()
            return response.status


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
