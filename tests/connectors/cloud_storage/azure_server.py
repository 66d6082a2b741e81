"""Azure's Blob API, as far as the connector uses it, with shared keys and signatures checked."""

import base64
import hashlib
import hmac
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from tests.connectors.cloud_storage.drop import stream_config
from tests.connectors.cloud_storage.object_server import Answer, Handler, Objects, serving

ACCOUNT = "acme"
KEY = base64.b64encode(b"a key that only the account knows").decode()
SAS = "sv=2021-12-02&sp=rl&sig=a%2Fsignature%3D"


@dataclass(slots=True)
class AzureContainer:
    port: int
    objects: Objects

    def put(self, key: str, content: bytes) -> None:
        self.objects.put(key, content)

    def delete(self, key: str) -> None:
        self.objects.delete(key)

    def config(self, folder: str = "", **stream: Any) -> dict[str, Any]:
        return {
            "url": f"az://{self.objects.name}/{folder}",
            "account": ACCOUNT,
            "endpoint_url": f"http://127.0.0.1:{self.port}",
            "credentials": {"type": "azure_account_key", "account_key": KEY},
            "streams": [stream_config(**stream)],
        }


def _string_to_sign(handler: Handler) -> str:
    """Return what a request signs, by the text of Microsoft's page on Shared Key."""
    named = {name.lower(): value for name, value in handler.headers.items()}
    plain = (
        "content-encoding content-language content-length content-md5 content-type date"
        " if-modified-since if-match if-none-match if-unmodified-since range"
    )
    lines = [handler.command, *(named.get(name, "") for name in plain.split())]
    lines += [f"{name}:{named[name]}" for name in sorted(named) if name.startswith("x-ms-")]
    lines.append(f"/{ACCOUNT}{urlsplit(handler.path).path}")
    lines += [f"{name}:{value}" for name, value in sorted(handler.query.items())]
    return "\n".join(lines)


def _refused(status: HTTPStatus, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>canary</Message></Error>"
    return Answer(status, body.encode(), {"x-ms-error-code": code})


class _Azure(Handler):
    objects: Objects

    def respond(self) -> None:
        self._check_login()
        self.objects.requests.append(self.path)
        match self.path_parts:
            case [container, *key] if container == self.objects.name:
                self._get("/".join(key)) if key else self._list()
            case _:
                raise _refused(HTTPStatus.NOT_FOUND, "ContainerNotFound")

    def _check_login(self) -> None:
        given = self.headers["Authorization"]
        if given is None and self.query.get("sig") == "a/signature=":
            return
        digest = hmac.digest(base64.b64decode(KEY), _string_to_sign(self).encode(), hashlib.sha256)
        if given != f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}":
            raise _refused(HTTPStatus.FORBIDDEN, "AuthenticationFailed")
        assert self.headers["x-ms-version"]

    def _list(self) -> None:
        assert (self.query["restype"], self.query["comp"]) == ("container", "list")
        page, marker = self.objects.page(self.query["prefix"], self.query.get("marker", ""))
        blobs = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties>"
            f"<Last-Modified>{format_datetime(stored.modified_at, usegmt=True)}</Last-Modified>"
            f"<Etag>0x{stored.version}</Etag>"
            f"<Content-Length>{len(stored.content)}</Content-Length></Properties></Blob>"
            for key, stored in page
        )
        body = (
            '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>'
            f"{blobs}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
        )
        raise Answer(HTTPStatus.OK, body.encode())

    def _get(self, key: str) -> None:
        stored = self.objects.stored.get(key)
        if stored is None:
            raise _refused(HTTPStatus.NOT_FOUND, "BlobNotFound")
        if self.headers["If-Match"] != f'"0x{stored.version}"':
            raise _refused(HTTPStatus.PRECONDITION_FAILED, "ConditionNotMet")
        raise self.part_of(stored, {})


@contextmanager
def run_azure(name: str) -> Generator[AzureContainer]:
    """Serve one container to its account's key, and to one signature."""
    objects = Objects(name)
    with serving(type("_Bound", (_Azure,), {"objects": objects})) as port:
        yield AzureContainer(port, objects)
