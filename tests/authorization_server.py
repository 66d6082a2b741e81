"""An authorization server on loopback, written with Authlib, and faults that a test queues.

It asks for PKCE and rotates refresh tokens: one that is used twice ends its family (RFC 9700).
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer as Protocol
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, Response, current_app, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

CLIENT_ID, SECRET = "syncline", "canary-client-secret"
Fault = Callable[[], Response]


@dataclass
class Code(AuthorizationCodeMixin):
    """A code that was given to a browser."""

    code: str
    redirect_uri: str
    scope: str
    challenge: str | None
    method: str | None
    family: int

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Token(TokenMixin):
    """A pair of tokens; those of one authorization are a family."""

    access_token: str
    refresh_token: str | None
    family: int
    ends_at: float
    is_used: bool = False
    is_revoked: bool = False

    def check_client(self, client: "Client") -> bool:  # noqa: ARG002 (its protocol)
        return True

    def get_scope(self) -> str:
        return "orders.read"

    def get_user(self) -> str:
        return "ola"


@dataclass
class Client(ClientMixin):
    """Our own client: with a secret, or public."""

    is_public: bool

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.startswith(("http://127.0.0.1:", "http://localhost"))

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002
        return (method == "none") is self.is_public

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:  # noqa: ARG002
        return True


@dataclass
class AuthorizationServer:
    """The server: what it was asked, what it gave, and how it is to behave."""

    port: int = 0
    is_public: bool = False
    denies: bool = False
    issuer: str | None = None
    expires_in: int = 3600
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """The forms that the token endpoint got."""
    logins: list[str | None] = field(default_factory=list[str | None])
    codes: dict[str, Code] = field(default_factory=dict[str, Code])
    tokens: list[Token] = field(default_factory=list[Token])
    faults: list[Fault] = field(default_factory=list[Fault])
    """Answers in place of the token endpoint's, first come first served."""
    after_answer: list[Callable[[Response], Response]] = field(
        default_factory=list[Callable[[Response], Response]]
    )
    """What becomes of its answers, after the tokens were given out."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        # Authlib takes http:// from localhost alone.
        return f"http://localhost:{self.port}"

    @property
    def refreshes(self) -> int:
        """Return how often tokens were asked to be renewed."""
        return [form["grant_type"] for form in self.asked].count("refresh_token")

    def revoked_families(self) -> set[int]:
        return {token.family for token in self.tokens if token.is_revoked}

    def auth(self, **values: Any) -> dict[str, Any]:
        """Return the settings `auth` of a connector of the type api."""
        return {
            "type": "oauth2_authorization_code",
            "authorization_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token",
            "client_id": CLIENT_ID,
            **({} if self.is_public else {"client_secret": SECRET}),
            "scope": "orders.read",
            **values,
        }

    def config(self, **values: Any) -> dict[str, Any]:
        """Return the settings of a connector that reads the orders of this server."""
        streams = [{"name": "order", "path": "/orders", "primary_key": ["id"]}]
        return {"base_url": self.url, "streams": streams, "auth": self.auth(**values)}

    def visit(self, url: str) -> dict[str, str]:
        """Open an address as a person's browser; return what it is sent back with."""
        answer = requests.get(url, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}

    def expire(self) -> None:
        """Let every access token be refused from now on; refresh tokens stay."""
        for token in self.tokens:
            token.ends_at = monotonic()


class _Codes(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def save_authorization_code(self, code: str, asked: Any) -> None:
        state = _state()
        data = asked.payload.data
        state.codes[code] = Code(
            code,
            asked.payload.redirect_uri,
            asked.payload.scope or "",
            data.get("code_challenge"),
            data.get("code_challenge_method"),
            len(state.tokens),
        )

    def query_authorization_code(self, code: str, _client: Client) -> Code | None:
        return _state().codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del _state().codes[authorization_code.code]

    def authenticate_user(self, _authorization_code: Code) -> str:
        return "ola"


class _Challenge(CodeChallenge):
    def get_authorization_code_challenge(self, authorization_code: Code) -> str | None:
        return authorization_code.challenge

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str | None:
        return authorization_code.method


class _Refresh(RefreshTokenGrant):
    INCLUDE_NEW_REFRESH_TOKEN = True
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        state = _state()
        found = next((one for one in state.tokens if one.refresh_token == refresh_token), None)
        if found is None:
            return None
        if found.is_used:
            for token in state.tokens:
                token.is_revoked |= token.family == found.family
        return None if found.is_revoked else found

    def authenticate_user(self, _refresh_token: Token) -> str:
        return "ola"

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.is_used = True


class _Issuer(IssuerParameter):
    def get_issuer(self) -> str | None:
        return _state().issuer


@contextmanager
def authorization_server() -> Generator[AuthorizationServer]:
    """Serve until the block ends."""
    state = AuthorizationServer()
    http = make_server("127.0.0.1", 0, _app(state), threaded=True, request_handler=_Quiet)
    http.daemon_threads = False
    state.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing: clients that hang up are what is tested."""


def _state() -> AuthorizationServer:
    return current_app.extensions["state"]


def _save(token: dict[str, Any], asked: Any) -> None:
    state = _state()
    family = getattr(asked, "authorization_code", None) or asked.refresh_token
    ends_at = monotonic() + state.expires_in
    token["expires_in"] = state.expires_in
    state.tokens.append(
        Token(token["access_token"], token.get("refresh_token"), family.family, ends_at)
    )


def _app(state: AuthorizationServer) -> Flask:
    app = Flask("authorization_server")
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    app.extensions["state"] = state
    protocol = Protocol(app, lambda _: Client(state.is_public), _save)
    protocol.register_grant(_Codes, [_Challenge(required=True)])
    protocol.register_grant(_Refresh)
    protocol.register_extension(_Issuer())

    @app.get("/authorize")
    def authorize() -> Response:
        user = None if state.denies else "ola"
        try:
            grant = protocol.get_consent_grant(end_user=user)
        except OAuth2Error as error:
            return Response(error.error, 400)
        return protocol.create_authorization_response(grant_user=user, grant=grant)

    @app.post("/token")
    def token() -> Response:
        with state.lock:
            state.asked.append(request.form.to_dict())
            state.logins.append(request.headers.get("Authorization"))
            fault = state.faults.pop(0) if state.faults else None
        if fault is not None:
            return fault()
        with state.lock:
            answer = protocol.create_token_response()
        return state.after_answer.pop(0)(answer) if state.after_answer else answer

    @app.get("/orders")
    def orders() -> Response:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        known = [one for one in state.tokens if one.access_token == sent and not one.is_revoked]
        if not any(monotonic() < one.ends_at for one in known):
            return Response("", 401)
        return jsonify([{"id": 1}, {"id": 2}])

    return app
