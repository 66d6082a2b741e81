"""From where a request comes, and by what name both sides know it."""

import re
import uuid
from ipaddress import ip_address

from flask import g, request
from werkzeug.wrappers import Request

from shared.domain.audit import Origin

REQUEST_ID = "X-Request-Id"

_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_ADDRESS = 45
"""Of an IPv6 address that holds one of IPv4, in full; a zone's name is none of ours."""


def request_id() -> str:
    """Return by what support finds this request: what the caller named it, or a name of ours."""
    if "request_id" not in g:
        g.request_id = _id_of(request)
    return g.request_id


def origin_of(proxies: int) -> Origin:
    """Return from where the request under way comes, behind so many proxies that are ours."""
    return Origin(_caller_of(request, proxies), request_id())


def origin_in(other: Request, proxies: int) -> Origin:
    """Return from where a request comes that is none of the application's."""
    return Origin(_caller_of(other, proxies), _id_of(other))


def _id_of(asked: Request) -> str:
    given = asked.headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID_FORM.fullmatch(given) else str(uuid.uuid4())


def _caller_of(asked: Request, proxies: int) -> str | None:
    """Return the address that the first of our proxies saw.

    Each of them adds the address of who called it at the right end of X-Forwarded-For; what is
    left of those anybody may have written.
    """
    forwarded = asked.headers.get("X-Forwarded-For")
    if forwarded is None:
        return _address(asked.remote_addr or "")
    entries = forwarded.split(",")
    # Fewer than ours would have added: the request came another way, and nothing of it is known.
    return _address(entries[-proxies].strip()) if len(entries) >= proxies else None


def _address(text: str) -> str | None:
    """Return an IP address in its usual form, or None if the text is none."""
    if len(text) > _LONGEST_ADDRESS or "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
