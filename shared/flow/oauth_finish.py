"""Finish an authorization: its state is used once, its tokens are stored, its first sync starts."""

import logging
import threading
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from shared.clock import monotonic, utc_now
from shared.connectors.oauth_client import OAuthClient, Tokens
from shared.connectors.oauth_failures import oauth_failure
from shared.crash_points import CrashPoint, reach
from shared.domain.access import Role
from shared.domain.audit import Origin
from shared.domain.fault import Fault
from shared.domain.oauth import hash_of_state, is_issuer, request_of_state
from shared.domain.run import Reason, TriggerType, interactive_key
from shared.egress.guard import Guard
from shared.errors import (
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermanentError,
    SynclineError,
    TransientError,
)
from shared.flow.availability import set_status
from shared.flow.enqueue import enqueue_workspace
from shared.flow.gate import Gate
from shared.flow.grants import Grant, grant_from, with_grant
from shared.flow.oauth_begin import verifier_of
from shared.flow.oauth_endings import (
    Ending,
    append_connected,
    asker_of,
    tell_connected,
    tell_refused,
)
from shared.flow.schedules import Planner
from shared.flow.sources import config_of, opened_secrets, type_of
from shared.flow.standing import require_still
from shared.gcp.sealing import SealedSecrets, Sealer, WrappingKey, make_sealer, unseal
from shared.late_imports import importing
from shared.logs import class_and_place, log_event
from shared.store.connectors import lock_connector, note_authorized
from shared.store.engine import single_statements
from shared.store.oauth_grants import store_granted
from shared.store.oauth_states import find_workspace_of_state, use_state
from shared.store.rows import Row
from shared.store.runs import find_active_run, find_run_of_key, insert_interactive_run
from shared.store.schedules import find_schedule_of
from shared.store.sources import find_source
from shared.store.tenancy import returning, speaking_for
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace

_log = logging.getLogger(__name__)
_PATIENCE = timedelta(seconds=20)
"""To store a grant, of which there is no other: for trouble of ours to pass, and for renewals."""
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Callback:
    """What a browser brings back from a provider: a code, or the code of an error."""

    state: str = field(repr=False)
    code: str | None = field(repr=False)
    error: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """How an authorization ended, in a sentence; `return_to` is a path of ours."""

    ending: Ending
    sentence: str
    connector: UUID | None = None
    return_to: str | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """What finishing an authorization takes; `gate` bounds how many wait for their providers.

    `origin` is that of the browser.
    """

    planner: Planner
    key: WrappingKey | None
    guard: Guard
    gate: Gate
    origin: Origin = field(default_factory=Origin)

    def of_workspace(self, workspace_id: int) -> Self:
        """Return the same office, which sees this workspace and no other."""
        engine = speaking_for(self.planner.engine, workspace_id)
        return replace(self, planner=replace(self.planner, engine=engine))


UNKNOWN = Finished(
    Ending.UNKNOWN,
    "This authorization is unknown, was used before, or is older than ten minutes. Look whether the"
    " connector is connected; if it is not, authorize it again.",
)
_DENIED = (
    "Access was not allowed, and the connector is as it was. If that was a mistake, authorize it"
    " again."
)


def finish_authorization(
    office: Office, callback: Callback, *, now: datetime | None = None
) -> Finished:
    """Use the state of an authorization, exchange its code, and start the connector's first sync.

    The connector changes in one transaction with the run, or not at all. A repeat is `UNKNOWN`, and
    starts nothing. Raises `ConfigurationError`, and `BusyError`, which leaves the state as it is.
    """
    state_hash = hash_of_state(callback.state)
    if state_hash is None:
        return UNKNOWN
    with single_statements(returning(office.planner.engine, state_hash)) as connection:
        workspace_id = find_workspace_of_state(connection, state_hash)
    if workspace_id is None:
        return UNKNOWN
    with office.gate.passed(workspace_id):
        return _inside(office.of_workspace(workspace_id), callback, state_hash, now)


def _inside(
    office: Office, callback: Callback, state_hash: bytes, now: datetime | None
) -> Finished:
    with single_statements(office.planner.engine) as connection:
        state = use_state(connection, state_hash, now=now)
    if state is None:
        return UNKNOWN
    reach(CrashPoint.STATE_USED)
    try:
        finished = _finish(office, callback, state, state_hash, now)
    except ConfigurationError:
        raise
    except SynclineError as error:
        _tell_refused(office, state, Ending.FAILED, str(error), error.code)
        finished = Finished(Ending.FAILED, str(error))
    return replace(finished, connector=state["connector_public_id"], return_to=state["return_to"])


def _finish(
    office: Office, callback: Callback, state: Row, state_hash: bytes, now: datetime | None
) -> Finished:
    source = _source(office, state)
    client = config_of(source, type_of(source), office.key).oauth_client()
    if client is None or source["access_version"] != state["access_version"]:
        raise _changed()
    if not is_issuer(callback.issuer, client.issuer, client.authorization_url):
        raise PermanentError(
            "The answer names another issuer than that of the connector's provider: check the"
            " connector's settings, and authorize it again.",
            code=Reason.AUTHORIZATION,
            fault=Fault.SETTINGS,
        )
    if callback.error == "access_denied":
        _tell_refused(office, state, Ending.DENIED, _DENIED, callback.error)
        return Finished(Ending.DENIED, _DENIED)
    if callback.code is None:
        raise oauth_failure(callback.error or "")
    # Before the provider is asked, as in a renewal.
    sealer = make_sealer(_required_key(office), state["workspace_id"], state["connector_public_id"])
    asked_at = utc_now()
    tokens = _exchange(office, client, state, callback.code)
    reach(CrashPoint.CODE_EXCHANGED)
    sentence = _stored(office, state, state_hash, sealer, grant_from(tokens, asked_at), now)
    tell_connected(state, sentence)
    return Finished(Ending.CONNECTED, sentence)


def _stored(
    office: Office,
    state: Row,
    state_hash: bytes,
    sealer: Sealer,
    grant: Grant,
    now: datetime | None,
) -> str:
    """Store a grant and connect its connector, however often that takes; return a sentence.

    The code cannot be exchanged again: trouble of ours is waited out, for as long as a person
    waits. Raises `TransientError` after that.
    """
    until = monotonic() + _PATIENCE.total_seconds()
    while True:
        error: Exception | None = None
        try:
            sentence = _connected(office, state, state_hash, sealer, grant, now)
        except (SQLAlchemyError, TransientError) as trouble:
            sentence, error = None, trouble
        if sentence is not None:
            return sentence
        if monotonic() >= until:
            raise TransientError(
                "Syncline could not store the authorization, for trouble of its own: authorize the"
                " connector again."
            ) from error
        log_event(
            _log,
            logging.WARNING,
            "grant_stored_late",
            "An authorization could not be stored yet",
            connector_id=state["connector_public_id"],
            workspace_id=state["workspace_id"],
            error_class=None if error is None else class_and_place(error),
        )
        threading.Event().wait(_PAUSE_SECONDS)


def _exchange(office: Office, client: OAuthClient, state: Row, code: str) -> Tokens:
    # The HTTP client takes a while to import, and only a code that is to be exchanged needs it.
    with importing():
        from shared.connectors.token_endpoint import exchange_code  # noqa: PLC0415

    sealed = SealedSecrets(
        state["ciphertext"], state["nonce"], state["wrapped_key"], state["key_version"]
    )
    owner = state["workspace_id"], state["connector_public_id"]
    verifier = verifier_of(unseal(_required_key(office), sealed, *owner))
    return exchange_code(
        office.guard, client, code=code, verifier=verifier, redirect_uri=state["redirect_uri"]
    )


def _connected(
    office: Office,
    state: Row,
    state_hash: bytes,
    sealer: Sealer,
    grant: Grant,
    now: datetime | None,
) -> str | None:
    """Store a grant and connect its connector; None if its secrets changed at this moment.

    Who began may have been shut out while they were at the provider: nothing is connected then.
    What has other settings by now than those that the code was exchanged with is not connected.
    """
    planner, workspace_id = office.planner, state["workspace_id"]
    newest = _source(office, state)
    _require_same(state, newest)
    sealed = sealer.seal(with_grant(opened_secrets(newest, office.key), grant))
    with planner.engine.begin() as connection:
        lock_workspace(connection, workspace_id)
        require_still(connection, workspace_id, asker_of(state, office.origin), Role.EDITOR)
        row = lock_connector(connection, workspace_id, state["connector_public_id"])
        if row is None:
            raise NotFoundError("The connector was deleted meanwhile.")
        _require_same(state, row)
        at = as_of(connection, now)
        is_stored = store_granted(
            connection,
            workspace_id,
            row["id"],
            newest["token_version"],
            authorized_at=at,
            expires_at=grant.expires_at,
            **asdict(sealed),
        )
        if not is_stored:
            return None
        sentence = _started(connection, planner, row, workspace_id, state_hash, at)
        append_connected(connection, state, office.origin, row, at)
    enqueue_workspace(
        planner.engine,
        planner.open_queue,
        workspace_id,
        now=at,
        horizon=at + planner.look_ahead,
    )
    if grant.refresh_token is None:
        sentence += (
            " The provider gave nothing to renew the authorization with: the connector has to be"
            " authorized again when it ends."
        )
    return sentence


def _started(
    connection: Connection,
    planner: Planner,
    row: Row,
    workspace_id: int,
    state_hash: bytes,
    now: datetime,
) -> str:
    """Connect a connector and write its first run, unless it is disabled; return a sentence."""
    note_authorized(connection, row["id"])
    if row["status"] == "disabled":
        return "The connector is authorized. It is disabled: enable it to sync it."
    if row["status"] != "connected":
        set_status(
            connection,
            row["id"],
            "connected",
            now=now,
            look_ahead=planner.look_ahead,
            is_counted=True,
        )
    if find_active_run(connection, workspace_id, row["id"], now=now) is not None:
        return "The connector is connected. A sync of it is under way already."
    request = request_of_state(state_hash)
    key = interactive_key(row["public_id"], TriggerType.OAUTH_CALLBACK, request)
    if find_run_of_key(connection, key) is not None:
        # The answer to a commit was lost, and its run is over already.
        return "The connector is connected, and its first sync is done."
    schedule = find_schedule_of(connection, row["id"])
    values = {
        "workspace_id": workspace_id,
        "connector_id": row["id"],
        "trigger_type": TriggerType.OAUTH_CALLBACK,
        "idempotency_key": key,
        "not_before_at": now,
    }
    if schedule is not None:
        values |= {"schedule_id": schedule["id"], "max_attempts": schedule["max_attempts"]}
    insert_interactive_run(connection, values)
    return "The connector is connected, and its first sync starts now."


def _source(office: Office, state: Row) -> Row:
    with single_statements(office.planner.engine) as connection:
        row = find_source(connection, state["workspace_id"], state["connector_public_id"])
    if row is None:
        raise NotFoundError("The connector was deleted meanwhile.")
    return row


def _require_same(state: Row, row: Row) -> None:
    """Raise `ConflictError` if a connector has other settings than it was authorized for."""
    if row["access_version"] != state["access_version"]:
        raise _changed()


def _changed() -> ConflictError:
    return ConflictError(
        "The connector's settings were changed meanwhile: authorize it again.",
        code="changed_meanwhile",
    )


def _required_key(office: Office) -> WrappingKey:
    if office.key is None:
        raise ConfigurationError(
            "Set SYNCLINE_KMS_KEY or SYNCLINE_KEY_FILE: there is no key to seal tokens with."
        )
    return office.key


def _tell_refused(office: Office, state: Row, ending: Ending, sentence: str, code: str) -> None:
    tell_refused(office.planner.engine, state, office.origin, ending, sentence, code)
