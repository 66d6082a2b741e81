"""The grant of a connector: its tokens, kept in one seal with the connector's other secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.connectors.oauth_client import Tokens

_PREFIX = "oauth:"
"""Of the names of tokens among the secrets; those of other secrets are JSON pointers."""
_ACCESS, _REFRESH = f"{_PREFIX}access_token", f"{_PREFIX}refresh_token"
_RENEW_AT, _EXPIRES_AT = f"{_PREFIX}renew_at", f"{_PREFIX}expires_at"
_FETCHED_AT = f"{_PREFIX}fetched_at"
_EARLY = timedelta(minutes=5)
"""So long before its end a token is renewed, or after half of its life if that is later."""
_ON_THE_WAY = timedelta(seconds=30)
"""A token that ends sooner is of no use: a request takes a while to arrive."""
_FRESH = timedelta(seconds=30)
"""What refuses a token so young refuses its successor as well."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens, and when they end; an instant is None if only the source will tell."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    renew_at: datetime | None
    expires_at: datetime | None
    fetched_at: datetime | None = field(default=None, compare=False)

    def is_good(self, now: datetime) -> bool:
        """Tell whether the source should take the access token."""
        return self.expires_at is None or now < self.expires_at - _ON_THE_WAY

    def is_due(self, now: datetime) -> bool:
        """Tell whether another access token is wanted."""
        return self.renew_at is not None and now >= self.renew_at

    def is_best(self, refused: str | None, now: datetime) -> bool:
        """Tell whether there is no better access token to be had, even if this one was refused."""
        if self.refresh_token is None:
            return self.expires_at is None or now < self.expires_at
        if self.access_token == refused:
            return self.fetched_at is not None and now < self.fetched_at + _FRESH
        return not self.is_due(now)


def grant_from(tokens: Tokens, asked_at: datetime, before: Grant | None = None) -> Grant:
    """Return the grant that a token endpoint gave; the refresh token of `before` may go on."""
    refresh = tokens.refresh_token
    if refresh is None and before is not None:
        refresh = before.refresh_token
    life = tokens.expires_in
    if life is None:
        return Grant(tokens.access_token, refresh, None, None, asked_at)
    expires_at = asked_at + life
    early = _ON_THE_WAY if refresh is None else _EARLY
    renew_at = asked_at + max(life - early, life / 2)
    return Grant(tokens.access_token, refresh, renew_at, expires_at, asked_at)


def is_of_grant(name: str) -> bool:
    """Tell whether one of the opened secrets of a connector is of its grant."""
    return name.startswith(_PREFIX)


def read_grant(opened: Mapping[str, str]) -> Grant | None:
    """Return the grant among the opened secrets of a connector, if there is one."""
    if _ACCESS not in opened:
        return None
    return Grant(
        opened[_ACCESS],
        opened.get(_REFRESH),
        _instant(opened.get(_RENEW_AT)),
        _instant(opened.get(_EXPIRES_AT)),
        _instant(opened.get(_FETCHED_AT)),
    )


def with_grant(secrets: Mapping[str, str], grant: Grant) -> dict[str, str]:
    """Return what to seal: the secrets, by their names, and the grant in place of an older one."""
    texts = {
        _ACCESS: grant.access_token,
        _REFRESH: grant.refresh_token,
        _RENEW_AT: _text(grant.renew_at),
        _EXPIRES_AT: _text(grant.expires_at),
        _FETCHED_AT: _text(grant.fetched_at),
    }
    others = {name: text for name, text in secrets.items() if not is_of_grant(name)}
    return others | {name: text for name, text in texts.items() if text is not None}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
