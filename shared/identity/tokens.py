"""Bearer tokens of people: signed by an issuer that the deployment trusts, for us, and in time."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from shared.config import OidcIssuer
from shared.domain.members import Identity, is_subject, to_email
from shared.egress.guard import Guard
from shared.errors import CredentialsError
from shared.identity.keys import IssuerKeys

LONGEST = 8 * 1024
"""Of a token, in characters."""
LEEWAY_SECONDS = 30
"""By how much an issuer's clock may differ from ours."""
_LONGEST_KID = 255
_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), (RSAKey,)),
    **dict.fromkeys(("ES256", "ES384", "ES512"), (ECKey,)),
    "Ed25519": (OKPKey,),
}
"""The algorithms that are taken, with the kinds of their keys: none without one, none with a secret
that both sides have, none of which the token itself brings the key."""
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})


class _Registry(JWSRegistry):
    """How large the parts of a token may be, whose whole is bounded already."""

    max_header_length = LONGEST


_REGISTRY = _Registry(algorithms=list(_KINDS), strict_check_header=False)


class TokenVerifier:
    """Tells who somebody is from their token. Every method may be called from any thread."""

    def __init__(self, issuers: Sequence[OidcIssuer], guard: Guard) -> None:
        self._issuers = {one.issuer: (one, IssuerKeys(one, guard)) for one in issuers}

    def verify(self, token: str, now: datetime) -> Identity:
        """Return who the token says that its holder is.

        Raises `CredentialsError`, whose sentence has nothing of the token, and
        `IssuerUnavailableError` if the keys of its issuer cannot be had.
        """
        if len(token) > LONGEST or not token.isascii():
            raise CredentialsError(f"The token is longer than {LONGEST} characters, or not ASCII.")
        signed, claims = _read(token)
        issuer, keys = self._issuer_of(claims)
        algorithm, kid = _header_of(signed)
        key = keys.find(kid, _KINDS[algorithm])
        if not _is_signed(signed, key):
            raise CredentialsError("The token is not signed by its issuer.")
        _require_times(claims, now)
        _require_audience(claims, issuer)
        return _identity(claims, issuer)

    def _issuer_of(self, claims: Mapping[str, Any]) -> tuple[OidcIssuer, IssuerKeys]:
        named = claims.get("iss")
        found = self._issuers.get(named) if isinstance(named, str) else None
        if found is None:
            raise CredentialsError("The token is of an issuer that this deployment does not know.")
        return found


def _read(token: str) -> tuple[CompactSignature, Mapping[str, Any]]:
    """Return a token in its parts; nothing of it is to be believed yet."""
    try:
        signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise _no_token() from None
    # The library reads any JSON for a header.
    if not isinstance(cast("object", signed.protected), dict) or not isinstance(claims, dict):
        raise _no_token()
    return signed, cast("dict[str, Any]", claims)


def _header_of(signed: CompactSignature) -> tuple[str, str]:
    """Return the algorithm of a token and the id of its key.

    Where the key might be found, by `jku` or `x5u`, or what it is, by `jwk` or `x5c`, the token has
    no say in.
    """
    header = signed.protected or {}
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _KINDS:
        raise CredentialsError(
            f"The token is not signed with an algorithm that is taken: {', '.join(_KINDS)}."
        )
    if "crit" in header:
        raise CredentialsError("The token demands an extension that is not understood here.")
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise CredentialsError("The token is of another type than those for access.")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID:
        raise CredentialsError("The token does not name its key (kid).")
    return algorithm, kid


def _is_signed(signed: CompactSignature, key: Any) -> bool:
    try:
        return jws.validate_compact(signed, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError):
        return False


def _require_times(claims: Mapping[str, Any], now: datetime) -> None:
    needed = JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_SECONDS,
        exp={"essential": True},
        iat={"essential": True},
    )
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    try:
        needed.validate(times)
    except ExpiredTokenError:
        raise CredentialsError("The token has expired: get another one.") from None
    except JoseError:
        raise CredentialsError(
            "The token is not valid yet, or does not say from when to when."
        ) from None


def _require_audience(claims: Mapping[str, Any], issuer: OidcIssuer) -> None:
    named = claims.get("aud")
    audiences = cast("list[Any]", named) if isinstance(named, list) else [named]
    if issuer.audience not in audiences:
        raise CredentialsError("The token is for somebody else: its audience is not this API.")
    # What is for others too may have come from one of them.
    if len(audiences) > 1 and claims.get("azp") not in (issuer.audience, *issuer.clients):
        raise CredentialsError(
            "The token has several audiences, and was not given to a client that is known here."
        )


def _identity(claims: Mapping[str, Any], issuer: OidcIssuer) -> Identity:
    subject, email = claims.get("sub"), claims.get("email")
    if not is_subject(subject):
        raise CredentialsError("The token does not say whose it is (sub), or not in ASCII.")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return Identity(issuer.issuer, str(subject))
    return Identity(issuer.issuer, str(subject), to_email(email))


def _no_token() -> CredentialsError:
    return CredentialsError("This is neither an API key nor a signed token (JWT).")
