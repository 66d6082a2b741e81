"""Endpoints and genuine messages for tests, signed by the reference library."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import urandom
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import Engine
from standardwebhooks.webhooks import Webhook

from shared.domain.hooks import HookScheme
from shared.flow.hooks import HookDesk, HookReceipt, HookResult, receive_hook
from shared.flow.webhook_endpoints import create_endpoint
from shared.gcp.local_key import LocalKey
from shared.store.rows import Row
from tests.factories import Tenant, make_schedule
from tests.flow.queues import PausedQueue

WINDOW = timedelta(seconds=10)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def make_key(folder: Path) -> LocalKey:
    path = folder / "master.key"
    path.write_text(b64encode(urandom(32)).decode())
    return LocalKey(str(path))


def make_desk(
    engine: Engine, paused: PausedQueue, key: LocalKey, *, per_minute: int = 100_000
) -> HookDesk:
    """Return a desk whose rate is no matter unless a test says so."""
    return HookDesk(
        engine=engine,
        open_queue=lambda: paused.queue,
        key=lambda: key,
        look_ahead=timedelta(seconds=90),
        window=WINDOW,
        per_minute=per_minute,
    )


def realtime(engine: Engine, tenant: Tenant, **values: object) -> Row:
    """Return a schedule that only messages start."""
    wanted = {"frequency": "realtime", "cron_expression": None, **values}
    return make_schedule(engine, tenant, **wanted)


@dataclass(frozen=True)
class Source:
    """A system that knows the secret of an endpoint."""

    endpoint: UUID
    secret: str

    def headers(
        self, message_id: str, at: datetime, body: bytes = b"", secret: str | None = None
    ) -> dict[str, str]:
        """Return the headers of a signed message."""
        signature = Webhook(secret or self.secret).sign(message_id, at, body.decode())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }

    def reports(
        self,
        desk: HookDesk,
        message_id: str | None = None,
        *,
        at: datetime = NOON,
        now: datetime | None = NOON,
        body: bytes = b"",
    ) -> HookResult:
        """Send a message, a new one unless it has an id; return what becomes of it."""
        return self.hands_in(desk, message_id, at=at, now=now, body=body).result

    def hands_in(
        self,
        desk: HookDesk,
        message_id: str | None = None,
        *,
        at: datetime = NOON,
        now: datetime | None = NOON,
        body: bytes = b"",
    ) -> HookReceipt:
        """Send a message, a new one unless it has an id; return all of the answer."""
        headers = self.headers(message_id or f"msg_{uuid4().hex}", at, body)
        return receive_hook(desk, self.endpoint, lambda n: headers.get(n, ""), body, now=now)


def make_source(engine: Engine, tenant: Tenant, key: LocalKey, schedule: Row) -> Source:
    """Return a source with an endpoint of a schedule's connector."""
    made = create_endpoint(
        engine,
        tenant.principal,
        key,
        schedule["connector_public_id"],
        name="a source",
        scheme=HookScheme.STANDARD,
    )
    return Source(made.row["public_id"], made.secret)
