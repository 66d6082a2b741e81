"""What the stores with an HTTP API have in common: one guarded session, and parts of files.

The SDKs of the three providers are clients of their own: they look for credentials in files, in
the environment and at the metadata service, and retry by themselves, out of sight of a lease. Two
calls of each API are all that is needed, so that these go through `GuardedSession`, signed with
credentials of the tenant alone.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from shared.clock import utc_now
from shared.connectors.cloud_storage.refusals import refusal
from shared.connectors.cloud_storage.store import FileChangedError, FileGoneError, StoredFile
from shared.domain.fault import Fault
from shared.egress.doors import Limits
from shared.egress.guard import Guard
from shared.egress.http import GuardedSession
from shared.egress.lines import Lines
from shared.egress.origins import origin_of
from shared.errors import TransientError

PAGE_FILES = 1_000
"""How many files one call lists: the most that S3 and Google give."""
_LIMITS = Limits(body_bytes=32 * 1024 * 1024)
_PIECE = 65_536


class HttpStore:
    """A session to one store, whose requests are signed by `auth`.

    A part of a file is one answer: it has an end soon, and a deadline, which an answer that is read
    as records are loaded would not have.
    """

    def __init__(self, base: str, auth: AuthBase | None, guard: Guard, lines: Lines) -> None:
        self._base = base
        self._session = GuardedSession(guard, lines, origin=origin_of(base), limits=_LIMITS)
        self._session.auth = auth

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def listed(self, path: str, query: Mapping[str, str]) -> bytes:
        """Return the body of an answer that lists files."""
        response = self._get(path, query, {"Accept-Encoding": "identity"})
        if response.status_code != HTTPStatus.OK:
            raise refusal(response, utc_now())
        return response.content

    def part(
        self,
        file: StoredFile,
        path: str,
        wanted: tuple[int, int],
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> bytes:
        """Return a part of a file by `wanted`, its start and count of bytes.

        Nothing is unpacked on the way: offsets are those of what is stored. Raises as `Store.read`.
        """
        start, count = wanted
        ranged = {"Range": f"bytes={start}-{start + count - 1}", **headers}
        response = self._get(path, query, ranged, stream=True)
        with response:
            match response.status_code:
                case HTTPStatus.NOT_FOUND:
                    raise FileGoneError(file.path)
                case HTTPStatus.PRECONDITION_FAILED | HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise FileChangedError(file.path)
                case HTTPStatus.PARTIAL_CONTENT:
                    pass
                case HTTPStatus.OK if count == file.size:
                    pass
                case HTTPStatus.OK:
                    raise TransientError(
                        "The store gave a whole file where a part was asked for: it does not"
                        " support ranges.",
                        fault=Fault.SCHEMA,
                    )
                case _:
                    raise refusal(response, utc_now())
            body = b"".join(response.raw.stream(_PIECE, decode_content=False))
        if len(body) != count:
            raise TransientError(
                f"The store gave another part of {file.path} than was asked for.",
                fault=Fault.UNAVAILABLE,
            )
        return body

    def _get(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], **options: Any
    ) -> requests.Response:
        return self._session.get(
            self._base + path,
            params=dict(query),
            headers=dict(headers),
            allow_redirects=False,
            **options,
        )


def quoted(key: str, safe: str = "/~") -> str:
    """Return a key as it stands in a URL's path."""
    return quote(key, safe=safe)


def is_file(key: str) -> bool:
    """Tell whether a key is a file, and no sign for a folder; of `.` and `..` no URL can tell."""
    return bool(key) and not key.endswith("/") and not {".", ".."} & set(key.split("/"))
