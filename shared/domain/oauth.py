"""What an authorization by OAuth 2.0 is made of: state, PKCE, addresses, and who answers."""

import base64
import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlencode, urlsplit
from uuid import UUID

RESERVED_PARAMETERS = frozenset(
    {"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce"}
    | {"code_challenge", "code_challenge_method", "request", "request_uri"}
)
"""What a request for an authorization holds by itself."""
_OWN_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_RANDOM_BITS = re.compile(r"[A-Za-z0-9_-]{43}")


def random_text(random: bytes) -> str:
    """Return random bytes as text for a URL: 43 characters for 32 bytes."""
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def hash_of_state(state: str) -> bytes | None:
    """Return what is stored of a state, None for a text that is none: 256 bits need no salt."""
    return sha256(state.encode()).digest() if _RANDOM_BITS.fullmatch(state) else None


def request_of_state(state_hash: bytes) -> UUID:
    """Return the identity of the run that an authorization asks for, the same for each repeat."""
    return UUID(bytes=state_hash[:16])


def code_challenge(verifier: str) -> str:
    """Return the challenge of a PKCE verifier by S256 (RFC 7636, 4.2)."""
    return random_text(sha256(verifier.encode()).digest())


def authorization_address(
    endpoint: str,
    *,
    client_id: str,
    scope: str | None,
    redirect_uri: str,
    state: str,
    verifier: str,
    extra: Mapping[str, str],
) -> str:
    """Return where to send the browser (RFC 6749, 4.1.1); `endpoint` has no query."""
    fields = {
        **extra,
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        **({} if scope is None else {"scope": scope}),
        "state": state,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}?{urlencode(fields)}"


def is_own_path(path: str) -> bool:
    """Tell whether a browser that is sent to this path stays with us, whatever it makes of it."""
    return _OWN_PATH.fullmatch(path) is not None


def is_issuer(given: str | None, expected: str | None, endpoint: str) -> bool:
    """Tell whether an answer may be of the server that was asked (RFC 9207, 2.4).

    A server whose issuer is known has to name it. Of any other the name is optional, and has to
    have the origin of its authorization endpoint.
    """
    if expected is not None:
        return given == expected
    return given is None or _origin(given) == _origin(endpoint)


def _origin(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (parts.scheme, parts.netloc.lower()) if parts.netloc else None
