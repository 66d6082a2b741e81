"""S3, of AWS or of any store that speaks it: two calls, signed by botocore's own signer.

Only the signer is used: a botocore client would read `~/.aws` and `AWS_*`, and ask the metadata
service for the deployment's own credentials.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from requests.auth import AuthBase

from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.credentials_config import AwsKeys
from shared.connectors.cloud_storage.http_store import PAGE_FILES, HttpStore, is_file, quoted
from shared.connectors.cloud_storage.store import StoredFile
from shared.domain.fault import Fault
from shared.egress.guard import Guard
from shared.egress.lines import Lines
from shared.errors import TransientError

_REGION = "us-east-1"


class S3Store(HttpStore):
    """A bucket of S3. Files are dated by the store; of one sent in parts that is when it began."""

    def __init__(self, config: CloudStorageConfig, guard: Guard, lines: Lines) -> None:
        bucket, self._prefix = config.location.bucket, config.location.prefix
        region = config.region or _REGION
        keys = config.credentials
        auth = _Signature(keys, region) if isinstance(keys, AwsKeys) else None
        super().__init__(_base(config, bucket, region), auth, guard, lines)

    def pages(self, prefix: str) -> Iterator[Sequence[StoredFile]]:
        """Yield the files whose paths begin so, page by page."""
        query = {
            "list-type": "2",
            "prefix": self._prefix + prefix,
            "max-keys": str(PAGE_FILES),
            "encoding-type": "url",
        }
        is_over = False
        while not is_over:
            page = parsed_xml(self.listed("/", query))
            encoded = page.findtext("{*}EncodingType") == "url"
            yield list(self._files(page, encoded=encoded))
            token = page.findtext("{*}NextContinuationToken")
            is_over = not token or page.findtext("{*}IsTruncated") != "true"
            query["continuation-token"] = token or ""

    def read(self, file: StoredFile, start: int, count: int) -> bytes:
        """Return a part of a file, if it still has the ETag that it was listed with."""
        headers = {"If-Match": file.version, "Accept-Encoding": "identity"}
        key = quoted(self._prefix + file.path)
        return self.part(file, f"/{key}", (start, count), {}, headers)

    def _files(self, page: Element, *, encoded: bool) -> Iterator[StoredFile]:
        for entry in page.iterfind("{*}Contents"):
            key = entry.findtext("{*}Key", "")
            key = unquote_plus(key) if encoded else key
            path = key.removeprefix(self._prefix)
            if is_file(path):
                yield StoredFile(
                    path,
                    _instant(entry.findtext("{*}LastModified", "")),
                    whole_number(entry.findtext("{*}Size", "")),
                    entry.findtext("{*}ETag", ""),
                )


class _Signature(AuthBase):
    """Signs each request as it leaves (Signature Version 4)."""

    def __init__(self, keys: AwsKeys, region: str) -> None:
        token = None if keys.session_token is None else keys.session_token.get_secret_value()
        credentials = Credentials(
            keys.access_key_id, keys.secret_access_key.get_secret_value(), token
        )
        self._signer = S3SigV4Auth(credentials, "s3", region)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        signed: Any = AWSRequest(method=r.method, url=r.url, headers={})
        self._signer.add_auth(signed)
        r.headers.update(dict(signed.headers.items()))
        return r


def parsed_xml(body: bytes) -> Element:
    """Return an answer's XML; raise `TransientError` for what is none, or is made to harm."""
    try:
        return fromstring(body)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise unusable() from error


def whole_number(text: str) -> int:
    """Return a number of an answer; raise `TransientError` if it is none."""
    if not text.isascii() or not text.isdigit():
        raise unusable()
    return int(text)


def unusable() -> TransientError:
    """Return the error of an answer that is not as the API of its store says."""
    return TransientError(
        "The store gave an answer that cannot be used: check the connector's endpoint_url.",
        fault=Fault.SCHEMA,
    )


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise unusable() from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _base(config: CloudStorageConfig, bucket: str, region: str) -> str:
    if config.endpoint_url is not None:
        return f"{config.endpoint_url}/{bucket}"
    if "." in bucket:  # the certificate is for names with one part before s3
        return f"https://s3.{region}.amazonaws.com/{bucket}"
    return f"https://{bucket}.s3.{region}.amazonaws.com"
