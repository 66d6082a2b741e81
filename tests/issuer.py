"""An issuer of tokens on loopback: it publishes what a test sets, and signs what a test says.

Tokens are put together by hand, so that they may be as wrong as no library would make them.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from shared.config import OidcIssuer

AUDIENCE = "syncline-api"
EMAIL = "carol@example.com"
DISCOVERY = "/.well-known/openid-configuration"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the key of that name, the same within a test process: they take long to make."""
    del name
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(kid: str, key: PrivateKey, **more: str) -> dict[str, str]:
    """Return the public half of a key as an issuer publishes it."""
    public: Any = key.public_key()
    match key:
        case rsa.RSAPrivateKey():
            numbers = public.public_numbers()
            found = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        case ec.EllipticCurvePrivateKey():
            numbers = public.public_numbers()
            x, y = number(numbers.x, 32), number(numbers.y, 32)
            found = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        case ed25519.Ed25519PrivateKey():
            found = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    return {**found, "kid": kid, **more}


def signature(algorithm: str, key: PrivateKey | bytes, text: bytes) -> bytes:
    """Sign as an algorithm says; a key of bytes is a secret of both sides."""
    match key:
        case bytes():
            return hmac.digest(key, text, hashlib.sha256)
        case rsa.RSAPrivateKey() if algorithm.startswith("PS"):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
            return key.sign(text, pss, hashes.SHA256())
        case rsa.RSAPrivateKey():
            return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        case ed25519.Ed25519PrivateKey():
            return key.sign(text)


def put_together(header: object, claims: object, key: PrivateKey | bytes | None) -> str:
    """Return a token of any parts; without a key its signature is empty."""
    first = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    if key is None:
        return f"{first}."
    algorithm = str(header.get("alg")) if isinstance(header, dict) else ""
    return f"{first}.{b64(signature(algorithm, key, first.encode()))}"


@dataclass
class Issuer:
    """The issuer: what it publishes, and how often it was asked for it."""

    port: int = 0
    keys: dict[str, PrivateKey] = field(default_factory=lambda: {"one": rsa_key("one")})
    more_keys: list[Any] = field(default_factory=list)
    """What it publishes besides, as it is."""
    discovery: dict[str, Any] = field(default_factory=dict)
    """What its discovery document says otherwise."""
    is_down: bool = False
    delay: float = 0.0
    hangs: threading.Event = field(default_factory=threading.Event)
    """Set by a test: until it is cleared again, nothing is answered."""
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def setting(self) -> OidcIssuer:
        return OidcIssuer(self.url, AUDIENCE, "Test", ("syncline-web",))

    @property
    def looks(self) -> int:
        """Return how often its keys were asked for."""
        return self.asked["/keys"]

    def documents(self) -> Mapping[str, Any]:
        published = [jwk(kid, key, use="sig") for kid, key in self.keys.items()]
        return {
            DISCOVERY: {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery},
            "/keys": {"keys": [*self.more_keys, *published]},
        }

    def claims(self, now: datetime | None = None, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token; those that are changed to None are left out."""
        at = int(time.time() if now is None else now.timestamp())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "carol-1",
            "iat": at,
            "exp": at + 300,
            "email": EMAIL,
            "email_verified": True,
        }
        merged = {**usual, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def token(self, now: datetime | None = None, kid: str = "one", **changes: Any) -> str:
        """Return a token that is good but for what is changed of its claims."""
        header = {"alg": "RS256", "kid": kid, "typ": "JWT"}
        return put_together(header, self.claims(now, **changes), self.keys[kid])


@contextmanager
def running_issuer() -> Generator[Issuer]:
    """Serve until the block ends."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] += 1
            time.sleep(issuer.delay)
            while issuer.hangs.is_set():
                time.sleep(0.01)
            document = None if issuer.is_down else issuer.documents().get(self.path)
            body = json.dumps(document).encode()
            self.send_response(503 if document is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        issuer.hangs.clear()
        server.shutdown()
        thread.join()
        server.server_close()
