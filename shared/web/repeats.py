"""Idempotency-Key: whoever repeats a request gets the answer of the first, and makes nothing twice.

The key is taken before the request is carried out, with the identifier of what it is to make. A
request that breaks off keeps that identifier: whoever repeats it finds what was made already, or
makes it. A refusal has changed nothing and is forgotten, so that it may be mended under its key.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from uuid import UUID

from flask import Response, g, json, request

from shared.errors import ConflictError, InvalidInputError, Problem, SynclineError, TransientError
from shared.store.engine import single_statements
from shared.store.requests import (
    RequestClaim,
    RequestKey,
    claim_request,
    find_request,
    forget_request,
    store_answer,
    unlock_request,
)
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.operations import ANYONE, Operation

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_PATTERN = "[!-~]{1,255}"

_KEY_FORM = re.compile(KEY_PATTERN)
_KEPT_HEADERS = ("Location", "ETag", "Content-Type")
_FIRST_ERROR = 400


class InProgressError(ConflictError):
    """The first request with this key is still under way."""

    code = "idempotency_key_in_progress"


def once(operation: Operation, carry_out: Callable[[], Response]) -> Response:
    """Carry out a request, or answer as the first with its key was answered.

    Raises `InvalidInputError` for a key that cannot be one, was used for something else, or that
    the route would not heed, and `InProgressError` while the first is under way. What only reads,
    and what sources call, lets the header pass.
    """
    text = request.headers.get(HEADER)
    if text is None or operation.access == ANYONE or operation.method == "GET":
        return carry_out()
    if not operation.takes.key:
        raise _refused("idempotency_key_not_taken", "this operation takes none", "Leave it out.")
    key = _key_of(operation, text)
    with single_statements(wiring().engine) as connection:
        claim = claim_request(connection, key)
        if claim is None:
            return _first_answer(find_request(connection, key), key)
    g.resource_id = claim.resource_id
    try:
        response = carry_out()
    except TransientError:
        _let_go(claim, is_unchanged=False)  # a part of it may be done
        raise
    except SynclineError:
        _let_go(claim, is_unchanged=True)
        raise
    except BaseException:
        _let_go(claim, is_unchanged=False)
        raise
    if response.status_code >= _FIRST_ERROR:
        _let_go(claim, is_unchanged=True)
        return response
    kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    with single_statements(wiring().engine) as connection:
        store_answer(
            connection,
            claim,
            status=response.status_code,
            headers=kept,
            body=_kept_body(operation, response),
        )
    return response


def resource_id() -> UUID | None:
    """Return the identifier that the request's key gives to what it makes, if it has a key."""
    return g.get("resource_id")


def _key_of(operation: Operation, text: str) -> RequestKey:
    if not _KEY_FORM.fullmatch(text):
        raise _refused(
            "idempotency_key_form",
            "it is not 1 to 255 visible ASCII characters",
            "Use a random UUID.",
        )
    secret = text.encode()
    asked = b"\n".join((request.full_path.encode(), request.get_data()))
    return RequestKey(
        workspace_id=principal().workspace_id,
        operation=operation.id,
        key_hash=hashlib.sha256(secret).digest(),
        fingerprint=hmac.digest(secret, asked, hashlib.sha256),
    )


def _kept_body(operation: Operation, response: Response) -> str:
    """Return an answer as it may be stored: without what is shown once."""
    text = response.get_data(as_text=True)
    if not operation.answers.shown_once:
        return text
    return json.dumps({**json.loads(text), **dict.fromkeys(operation.answers.shown_once)})


def _first_answer(row: Row | None, key: RequestKey) -> Response:
    if row is not None and not hmac.compare_digest(row["fingerprint"], key.fingerprint):
        raise _refused(
            "idempotency_key_reused",
            "it was used for another request",
            "Use a new key for each request that is to do something.",
        )
    if row is None or row["status"] is None:
        raise InProgressError("The first request with this key is still under way: ask again.")
    response = Response(row["body"], status=row["status"], headers=row["headers"])
    response.headers[REPLAYED] = "true"
    return response


def _refused(code: str, reason: str, hint: str) -> InvalidInputError:
    return InvalidInputError(Problem(HEADER, code, reason, hint))


def _let_go(claim: RequestClaim, *, is_unchanged: bool) -> None:
    with single_statements(wiring().engine) as connection:
        if is_unchanged:
            forget_request(connection, claim)
        else:
            unlock_request(connection, claim)
