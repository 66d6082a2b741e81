"""Google Cloud Storage: two calls of its JSON API, with tokens of the tenant's service account."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials
from requests.auth import AuthBase

from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.credentials_config import GoogleServiceAccount
from shared.connectors.cloud_storage.http_store import PAGE_FILES, HttpStore, is_file, quoted
from shared.connectors.cloud_storage.refusals import token_refusal
from shared.connectors.cloud_storage.s3 import unusable, whole_number
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.oauth_failures import oauth_failure
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.guard import Guard
from shared.egress.http import GuardedSession
from shared.egress.lines import Lines
from shared.egress.origins import origin_of
from shared.errors import PermanentError, SynclineError, TransientError

_BASE = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_FIELDS = "nextPageToken,items(name,size,timeCreated,generation)"


class GcsStore(HttpStore):
    """A bucket of Google Cloud Storage. Files are dated by when their content was complete."""

    def __init__(self, config: CloudStorageConfig, guard: Guard, lines: Lines) -> None:
        self._prefix = config.location.prefix
        self._path = f"/storage/v1/b/{quoted(config.location.bucket)}/o"
        key = config.credentials
        auth = _Token(key, guard, lines) if isinstance(key, GoogleServiceAccount) else None
        super().__init__(config.endpoint_url or _BASE, auth, guard, lines)

    def pages(self, prefix: str) -> Iterator[Sequence[StoredFile]]:
        """Yield the files whose paths begin so, page by page."""
        query = {
            "prefix": self._prefix + prefix,
            "maxResults": str(PAGE_FILES),
            "fields": _FIELDS,
        }
        is_over = False
        while not is_over:
            page = _json(self.listed(self._path, query))
            yield list(self._files(page))
            token = page.get("nextPageToken")
            is_over = not token
            query["pageToken"] = str(token)

    def read(self, file: StoredFile, start: int, count: int) -> bytes:
        """Return a part of a file, if it is still of the generation that was listed."""
        path = f"{self._path}/{quoted(self._prefix + file.path, safe='~')}"
        query = {"alt": "media", "ifGenerationMatch": file.version}
        # What is stored compressed comes so: unpacked by Google it would know no ranges.
        return self.part(file, path, (start, count), query, {"Accept-Encoding": "gzip"})

    def _files(self, page: Mapping[str, Any]) -> Iterator[StoredFile]:
        try:
            for item in page.get("items", ()):
                path = str(item["name"]).removeprefix(self._prefix)
                if is_file(path):
                    created_at = datetime.fromisoformat(item["timeCreated"])
                    size = whole_number(str(item["size"]))
                    yield StoredFile(path, created_at, size, str(item["generation"]))
        except (KeyError, TypeError, ValueError) as error:
            raise unusable() from error


class _Token(AuthBase):
    """Sends the token of a service account, fetched through the guard when it is needed."""

    def __init__(self, key: GoogleServiceAccount, guard: Guard, lines: Lines) -> None:
        fields = key.fields()
        try:
            self._credentials = Credentials.from_service_account_info(fields, scopes=[_SCOPE])
        except (ValueError, GoogleAuthError):
            raise PermanentError(
                "The key of the service account cannot be used: paste its whole JSON file again.",
                code=Reason.AUTHORIZATION,
                fault=Fault.LOGIN,
            ) from None
        # A session of its own: where tokens come from is another origin than the files.
        origin = origin_of(fields["token_uri"])
        self._request = Request(GuardedSession(guard, lines, origin=origin))

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._credentials.valid:
            try:
                self._credentials.refresh(self._request)
            except RefreshError as error:
                raise _failure(error) from error
        r.headers["Authorization"] = f"Bearer {self._credentials.token}"
        return r


def _failure(error: RefreshError) -> SynclineError:
    answers = (one for one in error.args if isinstance(one, Mapping))
    failure = oauth_failure(next((str(one.get("error", "")) for one in answers), ""))
    if isinstance(failure, TransientError):
        return failure
    # Nobody authorizes a key again: what `oauth_failure` says is for people who signed in.
    return token_refusal(type(error).__name__, may_pass=bool(error.retryable))


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unusable() from error
    if not isinstance(page, dict):
        raise unusable()
    return page
