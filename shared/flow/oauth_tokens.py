"""Access tokens of a connector's grant: renewed by one worker at a time, however many want one.

The right to renew is a lease in the connector's row; the request goes out between two transactions,
and what it brings is stored only if the row has the same versions still (ADR 16).
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from shared.clock import monotonic, utc_now
from shared.connectors.oauth_client import OAuthClient, Tokens
from shared.connectors.oauth_failures import GrantEndedError
from shared.connectors.secrets import join_secrets
from shared.crash_points import CrashPoint, reach
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.guard import Guard
from shared.errors import PermanentError, SynclineError, TransientError
from shared.flow.grants import Grant, grant_from, read_grant, with_grant
from shared.flow.sources import opened_secrets, type_of, without_grant
from shared.gcp.sealing import Sealer, WrappingKey, make_sealer
from shared.late_imports import importing
from shared.logs import class_and_place, log_event
from shared.store.connectors import lock_connector
from shared.store.engine import single_statements
from shared.store.oauth_grants import (
    give_back_refresh_lease,
    note_lost_grant,
    store_refreshed,
    take_refresh_lease,
)
from shared.store.rows import Row
from shared.store.sources import find_source
from shared.store.workspaces import lock_workspace_state

_log = logging.getLogger(__name__)
_LEASE = timedelta(seconds=60)
"""Longer than a request to a token endpoint may take, so that what it brings can be stored."""
_PATIENCE = timedelta(seconds=25)
"""For another worker to renew the tokens."""
_LEAST = timedelta(seconds=3)
"""With less time left nothing is asked: an answer that is cut off may be the end of the grant."""
_LOOK_SECONDS = 0.2
_STORE_SECONDS = 0.5
_BETWEEN_TRIES = timedelta(minutes=1)
"""While a token is good that could not be renewed."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is stored of a connector, opened."""

    row: Row
    opened: Mapping[str, str] = field(repr=False)
    grant: Grant | None


class GrantedTokens:
    """The access tokens of one connector, for a slice or a look; an `AccessToken`.

    They are those of the settings that the slice or look has, by their `access_version`: what was
    given for others is sent nowhere. `within` is all the time that there is from now on to wait for
    them and to ask the provider; what it answered is stored whatever time that takes.
    """

    def __init__(
        self,
        engine: Engine,
        key: WrappingKey | None,
        guard: Guard,
        workspace_id: int,
        connector: UUID,
        access_version: int,
        within: timedelta | None = None,
    ) -> None:
        self._engine = engine
        self._key = key
        self._guard = guard
        self._workspace_id = workspace_id
        self._connector = connector
        self._access_version = access_version
        self._until = None if within is None else monotonic() + within.total_seconds()
        self._lock = threading.Lock()
        self._held: Grant | None = None

    def __call__(self, refused: str | None) -> str:
        """Return a token that is good for a while, the refused one only if none is better."""
        with self._lock:
            held = self._held
            if held is None or held.access_token == refused or held.is_due(utc_now()):
                try:
                    held = self._held = self._current(refused)
                except SQLAlchemyError as error:
                    raise TransientError(
                        f"Syncline's own database is in trouble ({type(error).__name__}).",
                        code=Reason.INTERNAL,
                    ) from None
            return held.access_token

    def _current(self, refused: str | None) -> Grant:
        until = monotonic() + self._left(_PATIENCE).total_seconds()
        while True:
            stored = self._read()
            grant, now = stored.grant, utc_now()
            if grant is None:
                self._lose(stored, "The connector is not authorized: authorize it.")
            elif grant.is_best(refused, now):
                return grant
            elif grant.refresh_token is None:
                self._lose(
                    stored,
                    "The authorization has ended, and the provider gave nothing to renew it with:"
                    " authorize the connector again, with a scope that allows offline access.",
                )
            else:
                spare = self._spare(grant, refused, now)
                found = self._renewed(stored, grant.refresh_token, spare)
                if found is not None:
                    return found
            if monotonic() >= until:
                raise TransientError(
                    "Another worker renews the connector's tokens, and has not come to an end.",
                    code=Reason.SOURCE_UNAVAILABLE,
                    fault=Fault.LOGIN,
                )
            threading.Event().wait(_LOOK_SECONDS)

    def _spare(self, grant: Grant, refused: str | None, now: datetime) -> Grant | None:
        """Return the grant if its token may be used a little longer without being renewed."""
        if grant.access_token == refused or not grant.is_good(now):
            return None
        return replace(grant, renew_at=now + _BETWEEN_TRIES)

    def _left(self, most: timedelta) -> timedelta:
        if self._until is None:
            return most
        return min(most, timedelta(seconds=self._until - monotonic()))

    def _renewed(self, stored: _Stored, refresh_token: str, spare: Grant | None) -> Grant | None:
        """Renew the tokens; None if somebody else does or did. `spare` does where that is slow."""
        row = stored.row
        client = _client_of(stored)
        if self._left(_LEASE) < _LEAST:
            if spare is None:
                raise TransientError(
                    "There was no time left to renew the connector's tokens.",
                    code=Reason.SOURCE_UNAVAILABLE,
                    fault=Fault.TIMEOUT,
                )
            return spare
        with single_statements(self._engine) as connection:
            held = take_refresh_lease(
                connection,
                row["id"],
                row["token_version"],
                access_version=self._access_version,
                lease=_LEASE,
            )
        if held is None:
            return spare
        until, asked_at = monotonic() + _LEASE.total_seconds(), utc_now()
        try:
            # Before the provider is asked: the key may be a service's, and what the provider
            # answers has to be stored.
            sealer = make_sealer(self._required_key(), self._workspace_id, self._connector)
            tokens = self._ask(client, refresh_token)
        except GrantEndedError as error:
            self._lose(stored, _told(error, row))
            return None
        except SynclineError as error:
            with single_statements(self._engine) as connection:
                give_back_refresh_lease(connection, row["id"], held)
            if spare is None:
                raise
            self._log(logging.WARNING, "tokens_not_renewed", "Tokens are renewed later", error)
            return spare
        reach(CrashPoint.TOKENS_RENEWED)
        return self._store(stored, grant_from(tokens, asked_at, stored.grant), sealer, until)

    def _ask(self, client: OAuthClient, refresh_token: str) -> Tokens:
        # The HTTP client takes a while to import, and only a renewal needs it.
        with importing():
            from shared.connectors.token_endpoint import refresh_tokens  # noqa: PLC0415

        within = None if self._until is None else self._left(_LEASE)
        return refresh_tokens(self._guard, client, refresh_token, within)

    def _store(self, stored: _Stored, grant: Grant, sealer: Sealer, until: float) -> Grant | None:
        """Store a renewed grant before it is used; None if it was changed meanwhile.

        Many providers take the old refresh token no more: trouble is waited out, for as long as
        nobody else may renew.
        """
        row = stored.row
        sealed = sealer.seal(with_grant(stored.opened, grant))
        while True:
            try:
                with single_statements(self._engine) as connection:
                    is_stored = store_refreshed(
                        connection,
                        row["id"],
                        row["token_version"],
                        access_version=self._access_version,
                        expires_at=grant.expires_at,
                        **asdict(sealed),
                    )
            except SQLAlchemyError as error:
                if monotonic() >= until:
                    raise
                self._log(
                    logging.WARNING, "tokens_stored_late", "Tokens could not be stored yet", error
                )
                threading.Event().wait(_STORE_SECONDS)
            else:
                reach(CrashPoint.TOKENS_STORED)
                if is_stored:
                    self._log(logging.INFO, "tokens_renewed", "Tokens were renewed")
                return grant if is_stored else None

    def _lose(self, stored: _Stored, sentence: str) -> None:
        """Let the connector wait for a person and raise `GrantEndedError`.

        Returns if somebody renewed or changed its secrets or settings meanwhile.
        """
        row = stored.row
        with self._engine.begin() as connection:
            lock_workspace_state(connection, self._workspace_id)
            now = lock_connector(connection, self._workspace_id, self._connector)
            is_same = now is not None and now["access_version"] == self._access_version
            is_lost = is_same and note_lost_grant(
                connection, row["id"], row["token_version"], reason=sentence
            )
        if is_lost:
            self._log(logging.WARNING, "grant_lost", "A connector has to be authorized again")
            raise GrantEndedError(sentence, code=Reason.AUTHORIZATION, fault=Fault.LOGIN)

    def _read(self) -> _Stored:
        with single_statements(self._engine) as connection:
            row = find_source(connection, self._workspace_id, self._connector)
        if row is None:
            raise PermanentError("The connector was deleted.")
        if row["access_version"] != self._access_version:
            raise TransientError(
                "The connector's settings were changed meanwhile: the next try has the new ones.",
                code=Reason.CONFIGURATION,
                fault=Fault.SETTINGS,
            )
        opened = opened_secrets(row, self._key)
        return _Stored(row, opened, read_grant(opened))

    def _required_key(self) -> WrappingKey:
        if self._key is None:
            raise PermanentError("This deployment has no key to seal the connector's tokens with.")
        return self._key

    def _log(self, level: int, event: str, sentence: str, error: Exception | None = None) -> None:
        log_event(
            _log,
            level,
            event,
            sentence,
            connector_id=self._connector,
            workspace_id=self._workspace_id,
            error_class=None if error is None else class_and_place(error),
        )


def tokens_of(
    engine: Engine,
    key: WrappingKey | None,
    guard: Guard,
    row: Row,
    within: timedelta | None = None,
) -> GrantedTokens:
    """Return the tokens of a connector, whose row is what the slice or look has of its settings.

    `row` has `workspace_id`, `connector_public_id` and `access_version`.
    """
    whose = row["workspace_id"], row["connector_public_id"], row["access_version"]
    return GrantedTokens(engine, key, guard, *whose, within)


def _client_of(stored: _Stored) -> OAuthClient:
    row = stored.row
    model = type_of(row).config_model
    client = join_secrets(model, row["config"], without_grant(stored.opened)).oauth_client()
    if client is None:
        raise PermanentError("The connector's settings name no provider to authorize it with.")
    return client


def _told(error: GrantEndedError, row: Row) -> str:
    if row["refresh_lease_expires_at"] is None:
        return str(error)
    return (
        f"{error} Its last renewal was cut off before the new tokens were stored, and the provider"
        " takes the old ones no more."
    )
