"""The HTTP request of an attempt: its headers, its token, its way to the target."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp

from infra.local.emulator.messages import Message
from infra.local.identity import LocalSigner

_AUTHORIZATION = "authorization"
_CHUNK_BYTES = 65_536
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # the deadline of the request is the only one


class NoAnswerError(Exception):
    """The target could not be called, or it broke the connection."""


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """One HTTP request, ready to send."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class ReservedHeaders:
    """Header names, in lower case, that a service sets itself or not at all."""

    names: frozenset[str]
    prefixes: tuple[str, ...]

    def without(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that their owner may set."""
        return {name: value for name, value in headers.items() if not self._has(name.lower())}

    def _has(self, name: str) -> bool:
        return name in self.names or name.startswith(self.prefixes)


def with_token(
    headers: Mapping[str, str], oidc: Message, url: str, signer: LocalSigner, now: datetime
) -> dict[str, str]:
    """Return the headers with a token that is valid at `now` in place of any other authorization.

    `oidc` is the OidcToken message; without an audience of its own the token is for the URL.
    """
    token = signer.token(oidc.service_account_email, oidc.audience or url, now)
    others = {name: value for name, value in headers.items() if name.lower() != _AUTHORIZATION}
    return {**others, "Authorization": f"Bearer {token}"}


async def answer_to(
    request: OutgoingRequest, session: aiohttp.ClientSession, *, follow_redirects: bool
) -> int:
    """Send the request and return the HTTP status of its whole answer.

    Raises `TimeoutError` after the deadline and `NoAnswerError` if there is no answer.
    """
    try:
        async with (
            asyncio.timeout(request.deadline.total_seconds()),
            session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=follow_redirects,
                timeout=_NO_TIMEOUT,
            ) as response,
        ):
            # The answer is over when its body is; what it says is nobody's business.
            async for _ in response.content.iter_chunked(_CHUNK_BYTES):
                pass
            return response.status
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoAnswerError(str(error)) from error
