"""Begin an authorization: where the browser goes, and what its return is checked against."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine

from shared.connectors.oauth_client import OAuthClient
from shared.domain.access import Principal
from shared.domain.audit import Change, ObjectKind
from shared.domain.oauth import authorization_address, hash_of_state, is_own_path, random_text
from shared.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from shared.flow.audit import append_change
from shared.flow.sources import config_of, type_of
from shared.gcp.sealing import WrappingKey, seal
from shared.logs import log_event
from shared.store.connectors import lock_connector
from shared.store.engine import single_statements
from shared.store.oauth_states import insert_state
from shared.store.rows import Row
from shared.store.sources import find_source
from shared.store.ticks import as_of
from shared.store.workspaces import lock_workspace

_log = logging.getLogger(__name__)
_LIFE = timedelta(minutes=10)
_RANDOM_BYTES = 32
_VERIFIER = "code_verifier"


@dataclass(frozen=True, slots=True)
class Reception:
    """What an authorization takes: `redirect_url` is where the provider sends the browser.

    `public_url` is where the browser may go from there, if the deployment has such a place.
    """

    engine: Engine
    key: WrappingKey | None
    redirect_url: str | None
    public_url: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """An authorization that waits for a person until it expires."""

    url: str = field(repr=False)
    expires_at: datetime


def begin_authorization(
    reception: Reception,
    principal: Principal,
    connector: UUID,
    *,
    return_to: str | None = None,
    now: datetime | None = None,
) -> Begun:
    """Return the address of the provider at which a person authorizes a connector.

    The browser comes back to `oauth_callback`, and goes from there to `return_to`, a path of ours.
    Raises `NotFoundError`, `ConflictError` for a connector that needs no authorization or is
    disabled or changed at the same time, `InvalidInputError` for a path that is not ours, and
    `ConfigurationError`.
    """
    redirect_url, key = _require_set_up(reception)
    _require_own_path(reception, return_to)
    source = _source(reception, principal, connector)
    client = _client(reception, source)
    state = random_text(secrets.token_bytes(_RANDOM_BYTES))
    verifier = random_text(secrets.token_bytes(_RANDOM_BYTES))
    # Before the transaction: the key may be a service's.
    sealed = seal(key, {_VERIFIER: verifier}, principal.workspace_id, connector)
    values = {
        "state_hash": hash_of_state(state),
        "access_version": source["access_version"],
        "workspace_id": principal.workspace_id,
        "redirect_uri": redirect_url,
        "return_to": return_to,
        **asdict(sealed),
    }
    expires_at = _store(reception, principal, connector, values, now)
    log_event(
        _log,
        logging.INFO,
        "authorization_begun",
        "Somebody was sent to a provider to authorize a connector",
        connector_id=connector,
        workspace_id=principal.workspace_id,
    )
    url = authorization_address(
        client.authorization_url,
        client_id=client.client_id,
        scope=client.scope,
        redirect_uri=redirect_url,
        state=state,
        verifier=verifier,
        extra=client.authorize_parameters,
    )
    return Begun(url, expires_at)


def _store(
    reception: Reception,
    principal: Principal,
    connector: UUID,
    values: Mapping[str, object],
    now: datetime | None,
) -> datetime:
    """Store a state of a connector; return when it ends."""
    with reception.engine.begin() as connection:
        lock_workspace(connection, principal.workspace_id)
        row = lock_connector(connection, principal.workspace_id, connector)
        if row is None:
            raise NotFoundError("There is no such connector.")
        if row["access_version"] != values["access_version"]:
            # The browser would be sent to one provider, and its code to another.
            raise ConflictError(
                "Somebody changed this connector at the same time: authorize it again.",
                code="changed_meanwhile",
            )
        at = as_of(connection, now)
        actor, expires_at = principal.actor, at + _LIFE
        who = {"asked_by": actor.name, "asked_by_kind": actor.kind, "asked_by_id": actor.id}
        until = {"connector_id": row["id"], "expires_at": expires_at}
        insert_state(connection, {**values, **who, **until})
        change = Change(
            "authorize_connector",
            ObjectKind.CONNECTOR,
            connector,
            row["name"],
            after={"authorization_expires_at": expires_at},
        )
        append_change(connection, principal, change)
        return expires_at


def verifier_of(opened: dict[str, str]) -> str:
    """Return the PKCE verifier that was sealed with a state."""
    return opened[_VERIFIER]


def _require_set_up(reception: Reception) -> tuple[str, WrappingKey]:
    if reception.redirect_url is None:
        raise ConfigurationError(
            "Set SYNCLINE_OAUTH_REDIRECT_URL: providers need to know where oauth_callback is."
        )
    if reception.key is None:
        raise ConfigurationError(
            "Set SYNCLINE_KMS_KEY or SYNCLINE_KEY_FILE: there is no key to seal tokens with."
        )
    return reception.redirect_url, reception.key


def _require_own_path(reception: Reception, return_to: str | None) -> None:
    if return_to is None:
        return
    if not is_own_path(return_to):
        raise InvalidInputError(
            Problem(
                "return_to",
                "not_our_path",
                "it is no path of this site",
                "write a path that starts with one slash, such as /connectors",
            )
        )
    if reception.public_url is None:
        raise InvalidInputError(
            Problem(
                "return_to",
                "nowhere_to_return",
                "this deployment has no site to return to",
                "leave it out, or ask who runs this deployment to set SYNCLINE_PUBLIC_URL",
            )
        )


def _source(reception: Reception, principal: Principal, connector: UUID) -> Row:
    with single_statements(reception.engine) as connection:
        row = find_source(connection, principal.workspace_id, connector)
    if row is None:
        raise NotFoundError("There is no such connector.")
    return row


def _client(reception: Reception, row: Row) -> OAuthClient:
    client = config_of(row, type_of(row), reception.key).oauth_client()
    if client is None:
        raise ConflictError(
            "The connector needs nobody's authorization: its settings hold what it logs in with.",
            code="no_authorization_needed",
        )
    _require_enabled(row)
    return client


def _require_enabled(row: Row) -> None:
    if row["status"] == "disabled":
        raise ConflictError(
            "The connector is disabled: enable it, then authorize it.",
            code="connector_unavailable",
        )
