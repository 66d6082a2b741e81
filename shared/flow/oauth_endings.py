"""What is told of the end of an authorization: in the log, and in the workspace's audit log."""

import logging
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.domain.audit import Actor, ActorKind, Change, ObjectKind, Origin
from shared.logs import class_and_place, log_event
from shared.store.audit import append_audit
from shared.store.engine import single_statements
from shared.store.rows import Row

_log = logging.getLogger(__name__)
_ACTION = "finish_authorization"


class Ending(StrEnum):
    """What became of an authorization."""

    CONNECTED = "connected"
    DENIED = "denied"
    FAILED = "failed"
    UNKNOWN = "unknown"


def asker_of(state: Row, origin: Origin) -> Actor:
    """Return who began an authorization, calling from where its browser is now."""
    kind = ActorKind(state["asked_by_kind"] or ActorKind.API_KEY)
    return Actor(kind, state["asked_by"] or "", state["asked_by_id"], origin)


def append_connected(
    connection: Connection, state: Row, origin: Origin, connector: Row, now: datetime
) -> None:
    """Add to the audit log that a connector was authorized; last in the transaction."""
    status = connector["status"]
    change = Change(
        _ACTION,
        ObjectKind.CONNECTOR,
        connector["public_id"],
        connector["name"],
        before={"status": status, "authorized_at": None},
        after={"status": "disabled" if status == "disabled" else "connected", "authorized_at": now},
    )
    append_audit(connection, state["workspace_id"], asker_of(state, origin), change)


def tell_connected(state: Row, sentence: str) -> None:
    """Tell the log that a connector was authorized."""
    _tell(state, Ending.CONNECTED, sentence)


def tell_refused(
    engine: Engine, state: Row, origin: Origin, ending: Ending, sentence: str, code: str
) -> None:
    """Tell both logs that nothing came of an authorization; trouble with them stops nobody."""
    _tell(state, ending, sentence)
    change = Change(_ACTION, ObjectKind.CONNECTOR, state["connector_public_id"], code=code)
    try:
        with single_statements(engine) as connection:
            append_audit(connection, state["workspace_id"], asker_of(state, origin), change)
    except SQLAlchemyError as error:
        log_event(
            _log,
            logging.ERROR,
            "refusal_not_audited",
            "A refusal is missing in the audit log",
            connector_id=state["connector_public_id"],
            workspace_id=state["workspace_id"],
            error_class=class_and_place(error),
        )


def _tell(state: Row, ending: Ending, sentence: str) -> None:
    log_event(
        _log,
        logging.INFO if ending is Ending.CONNECTED else logging.WARNING,
        f"authorization_{ending}",
        "An authorization came to its end",
        connector_id=state["connector_public_id"],
        workspace_id=state["workspace_id"],
        asked_by=state["asked_by"],
        outcome=sentence,
    )
