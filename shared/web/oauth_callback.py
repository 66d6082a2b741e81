"""What oauth_callback answers a browser: a page that says what happened, or the way back."""

import base64
import logging
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from html import escape
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request, Response

from shared.egress.addresses import AddressPolicy
from shared.egress.guard import Guard
from shared.errors import BusyError, SynclineError
from shared.flow.gate import Gate
from shared.flow.oauth_endings import Ending
from shared.flow.oauth_finish import (
    UNKNOWN,
    Callback,
    Finished,
    Office,
    finish_authorization,
)
from shared.flow.schedules import Planner
from shared.logs import bind_trace, class_and_place, log_event
from shared.web.origin import origin_in
from shared.wiring import Wiring

_log = logging.getLogger(__name__)
_gate = Gate(at_once=8, of_one=3, what="authorizations", pause=timedelta(seconds=5))
_LONGEST = {"state": 100, "code": 4_096, "error": 200, "iss": 1_000}
"""Of each parameter, in characters."""
_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1.5rem}"
    "h1{font-size:1.5rem}"
)
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGES: Mapping[Ending, tuple[int, str]] = {
    Ending.CONNECTED: (200, "Connected"),
    Ending.DENIED: (200, "Not connected"),
    # Somebody else's server stood in the way, which is no failure of ours.
    Ending.FAILED: (424, "Not connected"),
    Ending.UNKNOWN: (400, "Nothing to do"),
}


def answer_callback(wiring: Wiring, request: Request) -> Response:
    """Finish the authorization that a provider sent the browser back from."""
    headers = request.headers
    bind_trace(
        headers.get("traceparent", ""),
        headers.get("X-Cloud-Trace-Context", ""),
        wiring.settings.project,
    )
    if request.method != "GET":
        # HEAD too: whoever looks ahead must not use up a state.
        return _page(405, "Not allowed", "Open this address in a browser.", {"Allow": "GET"})
    try:
        callback = _callback(request.args)
        office = _office(wiring, request)
        finished = UNKNOWN if callback is None else finish_authorization(office, callback)
    except BusyError as error:
        headers = {"Retry-After": f"{error.retry_after.total_seconds():.0f}"}
        return _page(429, "Not connected yet", f"{error} Reload this page for that.", headers)
    except Exception as error:  # noqa: BLE001 (the edge between us and the browser)
        log_event(
            _log,
            logging.ERROR,
            "request_failed",
            "A request met an unexpected error",
            error_class=class_and_place(error),
            reason=str(error) if isinstance(error, SynclineError) else None,
        )
        sentence = "Something broke on our side; it is logged. Authorize the connector again."
        return _page(500, "Not connected", sentence)
    return _answer(wiring, finished)


def _callback(given: MultiDict[str, str]) -> Callback | None:
    """Return what the browser brought; None if no provider answers so.

    It has a state, and a code or an error; nothing stands there twice (RFC 6749, 3.1).
    """
    found = {name: given.getlist(name) for name in _LONGEST}
    for name, texts in found.items():
        if len(texts) > 1 or any(len(text) > _LONGEST[name] for text in texts):
            return None
    state, code, error, issuer = (next(filter(None, texts), None) for texts in found.values())
    if state is None or (code is None and error is None):
        return None
    return Callback(state, None if error is not None else code, error, issuer)


def _office(wiring: Wiring, request: Request) -> Office:
    settings = wiring.settings
    planner = Planner(wiring.engine, wiring.open_queue, settings.look_ahead)
    guard = Guard(AddressPolicy(settings.allowed_networks))
    return Office(planner, wiring.key, guard, _gate, origin_in(request, settings.proxies))


def _answer(wiring: Wiring, finished: Finished) -> Response:
    site, path = wiring.settings.public_url, finished.return_to
    if site is None or path is None:
        status, title = _PAGES[finished.ending]
        return _page(status, title, f"{finished.sentence} You can close this page.")
    said = {"authorization": finished.ending, "connector": str(finished.connector)}
    location = f"{site}{path}{'&' if '?' in path else '?'}{urlencode(said)}"
    # 303: whatever the browser had sent along is not sent to the next page.
    return Response("", 303, {**_HEADERS, "Location": location})


def _page(
    status: int, title: str, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} · Syncline</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(sentence)}</p></main></body></html>"
    )
    return Response(page, status, {**_HEADERS, **(headers or {})}, mimetype="text/html")
