"""HTTP to the hosts that tenants name: a session of requests that the guard lets out."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter

from shared.clock import utc_now
from shared.domain.fault import Fault
from shared.domain.retry_after import parse_retry_after
from shared.domain.run import Reason
from shared.egress.bodies import BoundedBody, too_slow
from shared.egress.doors import USUAL, Door, HttpPool, HttpsPool, Limits
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.egress.origins import Origin, origin_of
from shared.egress.pace import Pace
from shared.errors import PermanentError

_MOST_REDIRECTS = 5
_MOST_PAUSES = 5
"""How often one request is repeated because the host asked for a short pause."""
_HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "connection", "content-length"}
    | {"content-type", "user-agent"}
)
"""What a redirect may take along to another origin: nothing that could be a secret."""
_CAN_BE_REPEATED = frozenset({"GET", "HEAD", "OPTIONS"})


class GuardedSession(requests.Session):
    """A session whose every connection goes to a checked address and is one of `lines`.

    With an `origin` it sends to that origin alone, since its credentials are for no other; a
    redirect may lead elsewhere, without them. Besides what requests raises, `PermanentError` and
    `TransientError` with sentences for people.
    """

    def __init__(
        self, guard: Guard, lines: Lines, *, origin: Origin | None, limits: Limits = USUAL
    ) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc, no bundle of certificates from outside
        self._origin = origin
        self.adapters.clear()
        adapter = GuardedAdapter(guard, lines, limits)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request and follow redirects, if not told otherwise."""
        origin = origin_of(request.url or "")
        if self._origin is not None and origin != self._origin:
            raise PermanentError(
                f"The source leads to another address than its own, {origin[1]}: what the connector"
                " sends is not meant for it.",
                code=Reason.CONFIGURATION,
                fault=Fault.SETTINGS,
            )
        follows = kwargs.pop("allow_redirects", True)
        response = super().send(request, allow_redirects=False, **kwargs)
        redirects = 0
        while follows and response.next is not None:
            redirects += 1
            if redirects > _MOST_REDIRECTS:
                raise requests.TooManyRedirects(response=response)
            response = super().send(response.next, allow_redirects=False, **kwargs)
        return response

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Let nothing that may be a secret go along to another origin."""
        before, after = origin_of(response.request.url or ""), origin_of(prepared_request.url or "")
        if before == after:
            return
        if before[0] == "https" and after[0] == "http":
            raise _redirected(after, "which is not encrypted")
        if prepared_request.body is not None:
            raise _redirected(after, "with what was sent to it")
        for name in list(prepared_request.headers):
            if name.lower() not in _HARMLESS_HEADERS:
                del prepared_request.headers[name]


class GuardedAdapter(HTTPAdapter):
    """Sends requests by checked connections, at the pace and after the pauses a host asks for."""

    def __init__(self, guard: Guard, lines: Lines, limits: Limits) -> None:
        self._door = Door(guard, lines, limits)
        self._pace = None if limits.per_second is None else Pace(limits.per_second)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools whose connections go through the guard."""
        super().init_poolmanager(*args, **kwargs)
        pools = {
            "http": partial(HttpPool, door=self._door),
            "https": partial(HttpsPool, door=self._door),
        }
        self.poolmanager.pool_classes_by_scheme = cast("Any", pools)

    def send(self, request: requests.PreparedRequest, *_: Any, **kwargs: Any) -> requests.Response:
        """Send a request; wait for a pause that is short, and repeat it then.

        Raises what requests does, `TransientError` for an answer that does not end in time, and
        `PermanentError` for a host that may not be reached and an answer that is too large.
        """
        limits = self._door.limits
        host = origin_of(request.url or "")[1]
        kwargs["timeout"] = limits.silence.total_seconds()
        kwargs["proxies"] = {}
        response = self._answered(request, host, kwargs)
        for _pauses in range(_MOST_PAUSES):
            pause = _pause_of(response, limits.pause)
            if pause is None:
                break
            response.close()
            self._door.lines.pause(pause)
            response = self._answered(request, host, kwargs)
        response.raw = BoundedBody(response.raw, host, limits.body_bytes, self._door.line)
        return response

    def _answered(
        self, request: requests.PreparedRequest, host: str, kwargs: dict[str, Any]
    ) -> requests.Response:
        if self._pace is not None:
            self._door.lines.pause(self._pace.take())
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            if self._door.is_given_up():
                raise too_slow(host) from error
            raise
        if self._door.is_given_up():  # what was cut in the middle may look like a whole answer
            response.close()
            raise too_slow(host)
        return response


def _pause_of(response: requests.Response, longest: timedelta) -> float | None:
    """Return for how many seconds a host asks to be left alone, if that is worth waiting for."""
    method = response.request.method
    refused = response.status_code == HTTPStatus.TOO_MANY_REQUESTS or (
        response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and method in _CAN_BE_REPEATED
    )
    asked = parse_retry_after(response.headers.get("retry-after", ""), utc_now())
    if not refused or asked is None or not timedelta(0) < asked <= longest:
        return None
    return asked.total_seconds()


def _redirected(target: Origin, how: str) -> PermanentError:
    return PermanentError(
        f"The source redirects to {target[1]}, {how}: check the connector's settings.",
        code=Reason.CONFIGURATION,
        fault=Fault.SETTINGS,
    )
