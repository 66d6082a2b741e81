"""The session of an API connector, and what its links must not give away."""

from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from shared.connectors.api.config import ApiConfig
from shared.connectors.base import SourceAccess
from shared.connectors.json_http.session import JsonSession, login


def open_session(access: SourceAccess) -> JsonSession:
    """Return a session for the API of a connector; raises as `Guard.addresses_of` may."""
    config = cast("ApiConfig", access.config)
    return JsonSession(
        access,
        config.base_url,
        login(access, config.auth),
        headers=config.headers,
        per_second=config.requests_per_second,
    )


def without_key(url: str, config: ApiConfig) -> str:
    """Return a URL without the API key, which some APIs repeat in their links."""
    if config.key_parameter is None:
        return url
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name != config.key_parameter]
    return url if len(kept) == len(pairs) else parts._replace(query=urlencode(kept)).geturl()
