"""What an issuer publishes of itself: its discovery document and its public keys."""

import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast

import simplejson
from joserfc.errors import JoseError
from joserfc.jwk import Key, OctKey, import_key

from shared.config import OidcIssuer
from shared.egress.doors import Limits
from shared.egress.guard import Guard
from shared.egress.http import GuardedSession
from shared.egress.lines import Lines
from shared.egress.origins import origin_of
from shared.errors import ISSUER_UNAVAILABLE, SynclineError, TransientError
from shared.logs import class_and_place, log_event

_log = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=10)
"""For both documents together."""
PAUSE = timedelta(seconds=5)
"""After which somebody who could not be told from anybody may ask again."""
_LIMITS = Limits(
    silence=timedelta(seconds=5), answer=DEADLINE, body_bytes=1 << 20, pause=timedelta(0)
)
_DISCOVERY = "/.well-known/openid-configuration"
_MOST_KEYS = 100
_LONGEST_URL = 1_000
_SHORTEST_MODULUS = 342
"""Of 2048 bits, in base64."""

Keys = Mapping[str, tuple[Key, ...]]
"""The keys that sign, by their ids; an issuer may have one id for keys of two kinds."""


class IssuerUnavailableError(TransientError):
    """An issuer's keys cannot be had: its tokens can neither be taken nor refused."""

    code = ISSUER_UNAVAILABLE


class _UnusableError(Exception):
    """What an issuer publishes is not what it has to be; the words are ours."""


def unavailable(issuer: OidcIssuer) -> IssuerUnavailableError:
    """Return the error of an issuer that cannot be asked now."""
    return IssuerUnavailableError(
        f"The keys of the issuer {issuer.name} cannot be had now: try again in some seconds.",
        retry_after=PAUSE,
    )


def fetch_keys(issuer: OidcIssuer, guard: Guard) -> Keys:
    """Return the keys that an issuer publishes now; raise `IssuerUnavailableError`."""
    lines = Lines(DEADLINE)
    timer = threading.Timer(DEADLINE.total_seconds(), lines.cut)
    timer.daemon = True
    timer.start()
    try:
        with lines.watched():
            return _fetch(issuer, guard, lines)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
        is_ours = isinstance(error, SynclineError | _UnusableError)
        log_event(
            _log,
            logging.WARNING,
            "issuer_unavailable",
            "The keys of an issuer of tokens cannot be had",
            issuer=issuer.issuer,
            error_class=class_and_place(error),
            reason=str(error) if is_ours else None,
        )
        raise unavailable(issuer) from None
    finally:
        timer.cancel()


def _fetch(issuer: OidcIssuer, guard: Guard, lines: Lines) -> Keys:
    found = _get(f"{issuer.issuer.rstrip('/')}{_DISCOVERY}", guard, lines)
    if found.get("issuer") != issuer.issuer:
        raise _UnusableError("its discovery document is of another issuer")
    url = found.get("jwks_uri")
    if not isinstance(url, str) or len(url) > _LONGEST_URL:
        raise _UnusableError("its discovery document names no address of keys")
    if origin_of(url)[0] == "http" and origin_of(issuer.issuer)[0] == "https":
        raise _UnusableError("the address of its keys is not encrypted")
    listed = _get(url, guard, lines).get("keys")
    if not isinstance(listed, list) or len(cast("list[Any]", listed)) > _MOST_KEYS:
        raise _UnusableError(f"its keys are no list of at most {_MOST_KEYS}")
    keys: dict[str, tuple[Key, ...]] = {}
    for one in cast("list[Any]", listed):
        key = _read_key(one)
        if key is not None and key.kid is not None:
            keys[key.kid] = (*keys.get(key.kid, ()), key)
    return keys


def _get(url: str, guard: Guard, lines: Lines) -> Mapping[str, Any]:
    session = GuardedSession(guard, lines, origin=origin_of(url), limits=_LIMITS)
    with session:
        session.headers.update({"User-Agent": "Syncline", "Accept": "application/json"})
        response = session.get(url, allow_redirects=False)
        if response.status_code != HTTPStatus.OK:
            raise _UnusableError(f"it answers with status {response.status_code}")
        document = simplejson.loads(response.content)
    if not isinstance(document, dict):
        raise _UnusableError("what it publishes is no JSON object")
    return cast("dict[str, Any]", document)


def _read_key(published: Any) -> Key | None:
    """Return a public key that signs, or None for any other: an issuer may have keys of all kinds.

    A secret one would let whoever reads it sign, and is none.
    """
    if not isinstance(published, dict):
        return None
    members = cast("dict[str, Any]", published)
    is_weak = len(str(members.get("n", ""))) < _SHORTEST_MODULUS and members.get("kty") == "RSA"
    if is_weak or members.get("use", "sig") != "sig" or not isinstance(members.get("kid"), str):
        return None
    try:
        key = import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if isinstance(key, OctKey) else key
