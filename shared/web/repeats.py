"""Idempotency-Key: whoever repeats a request gets the answer of the first, and makes nothing twice.

The key is taken before the request is carried out, with the identifier of what it is to make. A
request that breaks off keeps that identifier: whoever repeats it finds what was made already, or
makes it. The refusal of a first request has changed nothing and is forgotten, so that it may be
mended under its key.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Callable
from uuid import UUID

from flask import Response, g, json, request
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import (
    BusyError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from shared.logs import class_and_place, log_event
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
from shared.web.origin import request_id

_log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_PATTERN = "[!-~]{1,255}"

_KEY_FORM = re.compile(KEY_PATTERN)
_KEPT_HEADERS = ("Location", "ETag", "Content-Type")
_REFUSALS = (InvalidInputError, NotFoundError, ConflictError, BusyError)
"""Errors after which nothing is there of what this attempt at a request was to do.

Flows whose routes take a key do it in one transaction, which these errors undo. Two take several:
`act_on_schedules` tells in its items what is in the way after the first, and `shared.flow.reports`
raises none of these once the report is stored. What is not found after it was made was deleted at
once, and may be made anew. After any other error, such as a workspace that was disabled meanwhile,
the identifier is kept.
"""


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
    except _REFUSALS:
        if claim.is_first:
            _settle(operation, lambda connection: forget_request(connection, claim))
        else:
            _unlock(operation, claim)  # of what was done before, nothing is undone
        raise
    except BaseException:
        _unlock(operation, claim)  # a part of it may be done
        raise
    if g.get("is_left_open") or not _keep(operation, claim, response):
        _unlock(operation, claim)
    return response


def resource_id() -> UUID | None:
    """Return the identifier that the request's key gives to what it makes, if it has a key."""
    return g.get("resource_id")


def leave_open() -> None:
    """Keep no answer to the request under way: whoever repeats it under its key carries it on."""
    g.is_left_open = True


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


def _keep(operation: Operation, claim: RequestClaim, response: Response) -> bool:
    kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    body = _kept_body(operation, response)
    return _settle(
        operation,
        lambda connection: store_answer(
            connection, claim, status=response.status_code, headers=kept, body=body
        ),
    )


def _unlock(operation: Operation, claim: RequestClaim) -> None:
    _settle(operation, lambda connection: unlock_request(connection, claim))


def _settle(operation: Operation, store: Callable[[Connection], None]) -> bool:
    """Store what became of a request with a key; tell whether it could be.

    The request has its answer, whatever becomes of this: a key that cannot be settled is free for
    a repeat, which finds what was made, when its lock is over.
    """
    try:
        with single_statements(wiring().engine) as connection:
            store(connection)
    except SQLAlchemyError as error:
        log_event(
            _log,
            logging.WARNING,
            "idempotency_key_unsettled",
            "What became of a request with an Idempotency-Key could not be stored",
            operation=operation.id,
            error_class=class_and_place(error),
            request_id=request_id(),
        )
        return False
    return True
