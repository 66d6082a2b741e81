"""Receive what sources report: at most one run waits for all that changed since the last began.

What is accepted is noted as unread until a run that began after it has read all; the dispatcher
writes one for what no other run will read, and where runs failed before (`shared/flow/unread.py`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.domain.blackout import free_start
from shared.domain.hooks import HookMessage, HookScheme, is_genuine, message_hash
from shared.domain.unread import Obstacle, obstacle_of
from shared.errors import BusyError, UnauthenticatedError
from shared.flow.enqueue import enqueue_workspace
from shared.flow.hook_secrets import OpenSecrets
from shared.flow.unread import write_webhook_run
from shared.gcp.sealing import WrappingKey
from shared.logs import log_event
from shared.store.blackouts import windows_of
from shared.store.engine import single_statements
from shared.store.hooks import find_addressed, take_hook
from shared.store.rows import Row
from shared.store.tenancy import addressing, speaking_for
from shared.store.workspaces import lock_workspace

if TYPE_CHECKING:
    from shared.gcp.task_queue import CloudTasksQueue

_log = logging.getLogger(__name__)
_REMEMBERED = timedelta(minutes=15)
"""For how long a message is known again: longer than its time, up to 5 minutes from ours to either
side, lets a copy of it be taken."""
_NO_SECRETS = ["whsec_bm9ib2R5IGhhcyB0aGlzIG9uZQ=="]
"""What the message of an endpoint that is not there is checked with, so that it takes as long."""


class HookResult(StrEnum):
    """What became of a message.

    - ACCEPTED: a run that begins after the change will read it, now or once it may.
    - SEEN: it came before, and nothing starts.
    - IGNORED: the connector's schedule is not realtime; nothing is remembered.
    """

    ACCEPTED = "accepted"
    SEEN = "seen"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class HookReceipt:
    """What became of a message, and what the run that will read the change waits for."""

    result: HookResult
    waits_for: Obstacle | None = None


class HookRefusedError(UnauthenticatedError):
    """There is no such endpoint, or the message does not prove that it comes from its source.

    Which of them is nobody's business who cannot sign.
    """

    code = "hook_refused"

    def __init__(self) -> None:
        super().__init__(
            "There is no such endpoint, or the message is not signed with its secret, or its time"
            " is more than 5 minutes from ours."
        )


@dataclass(frozen=True, slots=True)
class HookDesk:
    """What messages are received with."""

    engine: Engine
    open_queue: "Callable[[], CloudTasksQueue]"
    key: Callable[[], WrappingKey | None]
    look_ahead: timedelta
    window: timedelta
    """For how long further messages are waited for before a run starts."""
    per_minute: int
    """How many messages an endpoint takes, at once too."""
    secrets: OpenSecrets = field(default_factory=OpenSecrets)


def receive_hook(
    desk: HookDesk,
    endpoint: UUID,
    header: Callable[[str], str],
    body: bytes,
    *,
    now: datetime | None = None,
) -> HookReceipt:
    """Take a message that came to an endpoint; `header` gives a header's text, or none at all.

    The body is only looked at for its signature. Whatever is reported before a waiting run starts
    is that run's; what comes while one reads gets another after it. What comes while nothing of the
    connector may run waits for that.
    Raises `HookRefusedError`, and `BusyError` for more messages than an endpoint takes.
    """
    with single_statements(addressing(desk.engine, endpoint)) as connection:
        row = find_addressed(connection, endpoint)
    secret_header = "" if row is None else row["secret_header"] or ""
    message = HookMessage(
        message_id=header("webhook-id"),
        timestamp=header("webhook-timestamp"),
        signatures=header("webhook-signature"),
        presented_secret=header(secret_header) if secret_header else "",
        body=body,
    )
    if row is None:
        is_genuine(message, HookScheme.STANDARD, _NO_SECRETS, datetime.max.replace(tzinfo=UTC))
        raise HookRefusedError
    at = now or row["as_of"]
    secrets = desk.secrets.of(row, desk.key(), at)
    if not is_genuine(message, HookScheme(row["scheme"]), secrets, at):
        raise HookRefusedError
    return _Reception(
        desk, speaking_for(desk.engine, row["workspace_id"]), row, message, now
    ).take()


@dataclass(frozen=True, slots=True)
class _Reception:
    """A genuine message, and the endpoint that it came to."""

    desk: HookDesk
    engine: Engine
    endpoint: Row
    message: HookMessage
    now: datetime | None

    def take(self) -> HookReceipt:
        with self.engine.connect() as connection, connection.begin() as transaction:
            facts = self._take(connection)
            if not facts["is_heard"]:
                return self._ignore()
            if not facts["is_new"]:
                return _SEEN
            if facts["is_covered"]:
                return _ACCEPTED
            obstacle = _obstacle(facts)
            if obstacle is not None:
                return self._put_off(obstacle)
            # The workspace is held before the endpoint, as whoever deletes the connector does; so
            # all of it is done again, and a message is remembered only together with its run.
            transaction.rollback()
        return self._start()

    def _start(self) -> HookReceipt:
        workspace_id = self.endpoint["workspace_id"]
        with self.engine.begin() as connection:
            lock_workspace(connection, workspace_id)
            facts = self._take(connection)
            if not facts["is_heard"]:
                return self._ignore()
            if not facts["is_new"]:
                return _SEEN
            obstacle = None
            if not facts["is_covered"]:
                obstacle = _obstacle(facts)
                if obstacle is None:
                    obstacle = self._write(connection, facts)
        if obstacle is not None:
            return self._put_off(obstacle)
        at = facts["at"]
        enqueue_workspace(
            self.engine,
            self.desk.open_queue,
            workspace_id,
            now=at,
            horizon=at + max(self.desk.look_ahead, self.desk.window),
        )
        return _ACCEPTED

    def _take(self, connection: Connection) -> Row:
        facts = take_hook(
            connection,
            self.endpoint["id"],
            message_hash(self.message),
            per_minute=self.desk.per_minute,
            remembered=_REMEMBERED,
            now=self.now,
        )
        if facts is None:
            raise HookRefusedError
        if not facts["is_allowed"]:
            raise BusyError(
                "The endpoint gets more messages than it takes: send this one again after as long"
                " as Retry-After says.",
                code="rate_limited",
                retry_after=timedelta(seconds=facts["wait_seconds"]),
            )
        return facts

    def _write(self, connection: Connection, facts: Row) -> Obstacle | None:
        """Write a run; return why none may start."""
        workspace_id, at = self.endpoint["workspace_id"], facts["at"]
        windows = windows_of(connection, [workspace_id]).get(workspace_id, ())
        starts_at = free_start(windows, at + self.desk.window, at)
        if starts_at is None:
            return Obstacle.BLACKOUT
        detail = {"endpoint_id": str(self.endpoint["public_id"])}
        write_webhook_run(connection, facts, starts_at, runs=1, detail=detail, now=at)
        return None

    def _put_off(self, obstacle: Obstacle) -> HookReceipt:
        self._log(
            "hook_put_off", "A source reported a change, which is read once it may be", obstacle
        )
        return HookReceipt(HookResult.ACCEPTED, obstacle)

    def _ignore(self) -> HookReceipt:
        self._log(
            "hook_ignored", "A source reported a change to a schedule that is not realtime", None
        )
        return HookReceipt(HookResult.IGNORED)

    def _log(self, event: str, sentence: str, obstacle: Obstacle | None) -> None:
        endpoint = self.endpoint["public_id"]
        log_event(_log, logging.INFO, event, sentence, endpoint_id=endpoint, waits_for=obstacle)


_ACCEPTED = HookReceipt(HookResult.ACCEPTED)
_SEEN = HookReceipt(HookResult.SEEN)


def _obstacle(facts: Row) -> Obstacle | None:
    obstacle = obstacle_of(
        facts["connector_status"],
        facts["paused_until"],
        facts["at"],
        is_enabled=facts["is_enabled"],
    )
    if obstacle is None and facts["is_failing"]:
        # A source that cannot be read is not asked once a report: the dispatcher does it.
        return Obstacle.BACK_OFF
    return obstacle
