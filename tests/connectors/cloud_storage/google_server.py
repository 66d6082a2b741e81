"""Google's JSON API for storage, as far as the connector uses it, with tokens that are checked."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from tests.connectors.cloud_storage.drop import stream_config
from tests.connectors.cloud_storage.object_server import Answer, Handler, Objects, serving

_TOKEN = "token-of-the-tenant"
_AUDIENCE = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@dataclass(slots=True)
class GoogleBucket:
    port: int
    objects: Objects
    refuses_reading: bool = False
    tokens_given: list[str] = field(default_factory=list[str])

    def put(self, key: str, content: bytes) -> None:
        self.objects.put(key, content)

    def delete(self, key: str) -> None:
        self.objects.delete(key)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def service_account(self, **changed: str) -> dict[str, str]:
        key = {
            "type": "service_account",
            "client_email": "reader@acme.iam.gserviceaccount.com",
            "private_key": _pem(_key()),
            "private_key_id": "one",
            "token_uri": f"{self.endpoint}/token",
        }
        return {"type": "google_service_account", "key": json.dumps(key | changed)}

    def config(self, folder: str = "", **stream: Any) -> dict[str, Any]:
        return {
            "url": f"gs://{self.objects.name}/{folder}",
            "endpoint_url": self.endpoint,
            "credentials": self.service_account(),
            "streams": [stream_config(**stream)],
        }


def other_key() -> str:
    return _pem(rsa.generate_private_key(public_exponent=65_537, key_size=2_048))


class _Google(Handler):
    bucket: GoogleBucket

    def respond(self) -> None:
        if self.path == "/token":
            self._give_token()
        self._check_token()
        self.bucket.objects.requests.append(self.path)
        match self.path_parts:
            case ["storage", "v1", "b", bucket, "o", *key] if bucket == self.bucket.objects.name:
                self._get("/".join(key)) if key else self._list()
            case _:
                raise Answer(HTTPStatus.NOT_FOUND)

    def _give_token(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        public = (
            _key()
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        audience = _AUDIENCE
        try:
            claims = jwt.decode(dict(parse_qsl(body))["assertion"], public, audience=audience)
            assert claims["scope"] == _SCOPE
        except (GoogleAuthError, ValueError):
            told = {"error": "invalid_grant", "error_description": "canary"}
            raise Answer(HTTPStatus.BAD_REQUEST, json.dumps(told).encode()) from None
        self.bucket.tokens_given.append(claims["iss"])
        token = {"access_token": _TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        raise Answer(HTTPStatus.OK, json.dumps(token).encode())

    def _check_token(self) -> None:
        if self.headers["Authorization"] != f"Bearer {_TOKEN}":
            raise Answer(HTTPStatus.UNAUTHORIZED)

    def _list(self) -> None:
        page, token = self.bucket.objects.page(
            self.query["prefix"], self.query.get("pageToken", "")
        )
        items = [
            {
                "name": key,
                "size": str(len(stored.content)),
                "timeCreated": stored.modified_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "generation": stored.version,
            }
            for key, stored in page
        ]
        told = {"items": items} if items else {}
        more = {"nextPageToken": token} if token else {}
        raise Answer(HTTPStatus.OK, json.dumps(told | more).encode())

    def _get(self, key: str) -> None:
        if self.bucket.refuses_reading:
            raise Answer(HTTPStatus.FORBIDDEN)
        stored = self.bucket.objects.stored.get(key)
        if stored is None:
            raise Answer(HTTPStatus.NOT_FOUND)
        if self.query["ifGenerationMatch"] != stored.version:
            raise Answer(HTTPStatus.PRECONDITION_FAILED)
        assert self.query["alt"] == "media"
        raise self.part_of(stored, {"Content-Encoding": "gzip"})


@contextmanager
def run_google(name: str) -> Generator[GoogleBucket]:
    """Serve one bucket to a service account."""
    bucket = GoogleBucket(0, Objects(name))
    with serving(type("_Bound", (_Google,), {"bucket": bucket})) as bucket.port:
        yield bucket
