"""Entity tags: what a reader has already, and what a writer takes for granted.

A tag is `"version.digest"`. The digest is of the answer's bytes, so that the tag is strong and no
answer is taken for another. The version grows with what people change alone: If-Match compares
nothing else, for a run that ended while somebody edited its schedule is no lost update.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from flask import Response, request

from shared.errors import PremiseError
from shared.flow.premises import Premise, any_state
from shared.store.rows import Row

_DIGEST_LENGTH = 32
_OK = 200
_NOT_MODIFIED = 304


def tag_answer(response: Response, version: object = "") -> Response:
    """Give an answer its tag; return one without a body if the reader has it already."""
    digest = sha256(response.get_data()).hexdigest()[:_DIGEST_LENGTH]
    response.set_etag(f"{version}.{digest}")
    is_read = request.method in ("GET", "HEAD") and response.status_code == _OK
    if is_read and request.if_none_match.contains_weak(f"{version}.{digest}"):
        response.set_data(b"")
        response.status_code = _NOT_MODIFIED
        for name in ("Content-Type", "Content-Length"):
            response.headers.pop(name, None)
    return response


def premise(version_of: Callable[[Row], object] | None = None) -> Premise:
    """Return what the request takes for granted, by If-Match, of the row that it changes."""
    if not request.headers.get("If-Match", "").strip() or request.if_match.star_tag:
        return any_state  # that it is there, every change demands anyway

    def compare(row: Row) -> None:
        require_version(row["version"] if version_of is None else version_of(row))

    return compare


def require_version(version: object) -> None:
    """Raise `PremiseError` if If-Match names other versions only."""
    if not request.headers.get("If-Match", "").strip() or request.if_match.star_tag:
        return
    # A weak tag vouches for nothing that is to be changed.
    known = {(tag or "").partition(".")[0] for tag in request.if_match.as_set()}
    if str(version) not in known:
        raise PremiseError(
            "Somebody changed it since you read it: read it again, and repeat your change on what"
            " it is now."
        )


def version_in(answer: Mapping[str, Any]) -> object:
    """Return the version that an answer shows."""
    return answer["version"]
