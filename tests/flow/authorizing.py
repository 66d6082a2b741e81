"""A person who authorizes connectors at a real authorization server, and the rows of it all."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from shared.flow.connectors import create_connector
from shared.flow.gate import Gate
from shared.flow.grants import Grant, read_grant
from shared.flow.oauth_begin import Reception, begin_authorization
from shared.flow.oauth_finish import Callback, Finished, Office, finish_authorization
from shared.flow.oauth_tokens import GrantedTokens, tokens_of
from shared.flow.schedules import Planner
from shared.flow.sources import opened_secrets
from shared.gcp.sealing import WrappingKey
from shared.store.rows import Row
from shared.store.sources import find_source
from tests.authorization_server import AuthorizationServer
from tests.factories import Tenant
from tests.loopback import LOOPBACK

REDIRECT_URL = "http://127.0.0.1:1/callback"


def make_gate(at_once: int) -> Gate:
    """Return a gate for so many callbacks at once."""
    return Gate(at_once=at_once, of_one=at_once, what="authorizations", pause=timedelta(seconds=1))


@dataclass(frozen=True)
class Person:
    """Somebody of a workspace with a browser."""

    planner: Planner
    worker_engine: Engine
    key: WrappingKey
    tenant: Tenant
    server: AuthorizationServer
    gate: Gate = field(default_factory=lambda: make_gate(100))

    @property
    def engine(self) -> Engine:
        return self.planner.engine

    @property
    def reception(self) -> Reception:
        return Reception(self.engine, self.key, REDIRECT_URL, "http://127.0.0.1:1")

    @property
    def office(self) -> Office:
        return Office(self.planner, self.key, LOOPBACK, self.gate)

    def new_connector(self, **auth: Any) -> UUID:
        """Make a connector of the type api that reads the server's orders."""
        row = create_connector(
            self.engine,
            self.tenant.principal,
            self.key,
            slug="api",
            name=f"orders {len(self.rows('workspace_connector'))}",
            config=self.server.config(**auth),
        )
        return row["public_id"]

    def begin(self, connector: UUID, **options: Any) -> str:
        """Return the address to which the browser is sent."""
        return begin_authorization(self.reception, self.tenant.principal, connector, **options).url

    def agree(self, connector: UUID, **options: Any) -> Callback:
        """Visit the provider; return what the browser brings back."""
        brought = self.server.visit(self.begin(connector, **options))
        return Callback(
            brought["state"], brought.get("code"), brought.get("error"), brought.get("iss")
        )

    def finish(self, callback: Callback) -> Finished:
        return finish_authorization(self.office, callback)

    def authorize(self, connector: UUID) -> Finished:
        """Do all of it."""
        return self.finish(self.agree(connector))

    def authorized(self, **auth: Any) -> UUID:
        """Return a connector that is authorized, and whose first run is over."""
        connector = self.new_connector(**auth)
        self.authorize(connector)
        self.end_runs()
        return connector

    def end_runs(self) -> None:
        """Cancel what waits."""
        self.execute(
            "UPDATE workspace_connector_sync_log SET status = 'cancelled', completed_at = now(),"
            " reason = 'cancelled_by_user' WHERE status = 'scheduled'"
        )

    def tokens(self, connector: UUID) -> GrantedTokens:
        """Return the tokens as a worker has them."""
        return tokens_of(self.worker_engine, self.key, LOOPBACK, self.source(connector))

    def source(self, connector: UUID) -> Row:
        with self.engine.connect() as connection:
            row = find_source(connection, self.tenant.workspace_id, connector)
        assert row is not None
        return row

    def grant(self, connector: UUID) -> Grant | None:
        """Return what is stored of a connector's tokens."""
        return read_grant(opened_secrets(self.source(connector), self.key))

    def status(self, connector: UUID) -> str:
        return self.source(connector)["status"]

    def rows(self, table: str) -> list[Row]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(f"SELECT * FROM {table}")).mappings())

    def runs(self) -> list[Row]:
        return self.rows("workspace_connector_sync_log ORDER BY id")

    def execute(self, statement: str, **parameters: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), parameters)
