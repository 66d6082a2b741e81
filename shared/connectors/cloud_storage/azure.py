"""Azure Blob Storage: two calls of its REST API, by the account's key or a signature it gave."""

import base64
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree.ElementTree import Element

import requests
from requests.auth import AuthBase

from shared.clock import utc_now
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.credentials_config import AzureAccountKey, AzureSas
from shared.connectors.cloud_storage.http_store import PAGE_FILES, HttpStore, is_file, quoted
from shared.connectors.cloud_storage.s3 import parsed_xml, unusable, whole_number
from shared.connectors.cloud_storage.store import StoredFile
from shared.egress.guard import Guard
from shared.egress.lines import Lines

_API_VERSION = "2021-12-02"
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


class AzureStore(HttpStore):
    """A container of Azure Blob Storage. Files are dated by their last change, to the second."""

    def __init__(self, config: CloudStorageConfig, guard: Guard, lines: Lines) -> None:
        self._prefix = config.location.prefix
        self._path = f"/{quoted(config.location.bucket)}"
        self._sas: dict[str, str] = {}
        account = config.account or ""
        auth: AuthBase | None = None
        match config.credentials:
            case AzureAccountKey(account_key=key):
                auth = _SharedKey(account, key.get_secret_value())
            case AzureSas(token=token):
                self._sas = dict(parse_qsl(token.get_secret_value().removeprefix("?")))
            case _:
                pass
        base = config.endpoint_url or f"https://{account}.blob.core.windows.net"
        super().__init__(base, auth, guard, lines)
        self._session.headers["x-ms-version"] = _API_VERSION

    def pages(self, prefix: str) -> Iterator[Sequence[StoredFile]]:
        """Yield the files whose paths begin so, page by page."""
        query = {
            "restype": "container",
            "comp": "list",
            "prefix": self._prefix + prefix,
            "maxresults": str(PAGE_FILES),
            **self._sas,
        }
        is_over = False
        while not is_over:
            page = parsed_xml(self.listed(self._path, query))
            yield list(self._files(page))
            marker = page.findtext("NextMarker")
            is_over = not marker
            query["marker"] = marker or ""

    def read(self, file: StoredFile, start: int, count: int) -> bytes:
        """Return a part of a file, if it still has the ETag that it was listed with."""
        headers = {"If-Match": file.version, "Accept-Encoding": "identity"}
        path = f"{self._path}/{quoted(self._prefix + file.path)}"
        return self.part(file, path, (start, count), self._sas, headers)

    def _files(self, page: Element) -> Iterator[StoredFile]:
        for entry in page.iterfind("Blobs/Blob"):
            name = entry.find("Name")
            key = "" if name is None or name.text is None else name.text
            if name is not None and name.get("Encoded") == "true":
                key = unquote(key)
            path = key.removeprefix(self._prefix)
            if is_file(path):
                tag = entry.findtext("Properties/Etag", "").strip('"')
                yield StoredFile(
                    path,
                    _instant(entry.findtext("Properties/Last-Modified", "")),
                    whole_number(entry.findtext("Properties/Content-Length", "")),
                    f'"{tag}"',
                )


class _SharedKey(AuthBase):
    """Signs each request as it leaves, as Microsoft's "Authorize with Shared Key" says."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = base64.b64decode(key)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["x-ms-date"] = format_datetime(utc_now(), usegmt=True)
        headers = {name.lower(): str(value) for name, value in r.headers.items()}
        own = sorted(name for name in headers if name.startswith("x-ms-"))
        text = "\n".join(
            [
                r.method or "",
                *(headers.get(name, "") for name in _SIGNED_HEADERS),
                *(f"{name}:{headers[name]}" for name in own),
                self._resource(r.url or ""),
            ]
        )
        signature = base64.b64encode(hmac.digest(self._key, text.encode(), sha256)).decode()
        r.headers["Authorization"] = f"SharedKey {self._account}:{signature}"
        return r

    def _resource(self, url: str) -> str:
        parts = urlsplit(url)
        query = sorted(parse_qsl(parts.query, keep_blank_values=True))
        lines = [f"{name.lower()}:{value}" for name, value in query]
        return "\n".join([f"/{self._account}{parts.path or '/'}", *lines])


def _instant(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise unusable() from None
