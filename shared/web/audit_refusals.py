"""Refused changes: each is an entry of the audit log, whatever refused it."""

import logging
import uuid

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from shared.domain.access import Principal
from shared.domain.api_keys import parse_api_key
from shared.domain.audit import Actor, Change, ObjectKind
from shared.flow.callers import holder_of_key
from shared.logs import class_and_place, log_event
from shared.store.audit import append_audit
from shared.store.engine import single_statements
from shared.store.tenancy import speaking_for
from shared.web.auth import credentials, wiring
from shared.web.operations import Operation
from shared.web.origin import origin_of, request_id

_log = logging.getLogger(__name__)
_FIRST_REFUSAL = 400
_FIRST_FAILURE = 500
_NO_CODE = "refused"


def register_refusals(app: Flask) -> None:
    """Let the audit log have what the application refuses to change."""
    app.after_request(_append)


def _append(response: Response) -> Response:
    operation: Operation | None = g.get("operation")
    if operation is None or operation.changes is None:
        return response
    if _FIRST_REFUSAL <= response.status_code < _FIRST_FAILURE:
        code = g.get("problem_code", _NO_CODE)
        try:
            _append_refused(operation, operation.changes, code)
        except SQLAlchemyError as error:
            # The caller was refused all the same.
            sentence, where = "A refusal is missing in the audit log", class_and_place(error)
            _tell("refusal_not_audited", sentence, operation, code, error_class=where)
    return response


def _append_refused(operation: Operation, kind: ObjectKind, code: str) -> None:
    refused = _refused(code)
    if refused is None:
        _tell("change_by_nobody", "Somebody unknown was refused a change", operation, code)
        return
    workspace_id, actor, why = refused
    path = request.view_args or {}
    which = next((part for part in path.values() if isinstance(part, uuid.UUID)), None)
    change = Change(operation.id, kind, which, _storable(path.get("stream")), code=why)
    with single_statements(speaking_for(wiring().engine, workspace_id)) as connection:
        append_audit(connection, workspace_id, actor, change)


def _refused(code: str) -> tuple[int, Actor, str] | None:
    """Return the workspace and the name of who was refused, and why; None for somebody unknown.

    Who showed a key that opens nothing here is no caller, and the key is known all the same. The
    caller is not told what the log is.
    """
    caller: Principal | None = g.get("principal")
    if caller is not None:
        return caller.workspace_id, caller.actor, code
    key = parse_api_key(credentials())
    if key is None:
        return None
    parts = wiring()
    holder = holder_of_key(parts.engine, key, origin_of(parts.settings.proxies))
    return holder and (holder.workspace_id, holder.actor, holder.shut_out or code)


def _storable(name: str | None) -> str | None:
    """Return a part of a path as the database can keep it."""
    return None if name is None else name.replace("\0", "\ufffd")


def _tell(
    event: str, sentence: str, operation: Operation, code: str, error_class: str | None = None
) -> None:
    log_event(
        _log,
        logging.WARNING if error_class is None else logging.ERROR,
        event,
        sentence,
        operation=operation.id,
        code=code,
        request_id=request_id(),
        error_class=error_class,
    )
