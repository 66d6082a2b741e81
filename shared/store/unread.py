"""What sources reported and no run has read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, text, update

from shared.domain.unread import NEVER, look_after_start
from shared.store.rows import Row, to_json, to_records
from shared.store.sql import load_sql
from shared.store.tables import unread_change

_WAIT_BRIEFLY = text("SELECT set_config('lock_timeout', '1s', true)")


def find_to_look_at(
    connection: Connection, *, now: datetime, without: Collection[int], page: int
) -> Sequence[Row]:
    """Return workspace and connector of up to `page` changes that are due for a look, oldest first.

    Those of the workspaces `without` which it is to be are left out.
    """
    query = (
        select(unread_change.c.workspace_id, unread_change.c.connector_id)
        .where(unread_change.c.look_at <= now)
        .where(unread_change.c.workspace_id.not_in(without))
        .order_by(unread_change.c.look_at)
        .limit(page)
    )
    return connection.execute(query).mappings().all()


def wait_briefly(connection: Connection) -> None:
    """Let the statements of this transaction wait for others' locks for a second and no longer."""
    connection.execute(_WAIT_BRIEFLY)


def lock_unread(
    connection: Connection, connectors: Sequence[int], *, now: datetime
) -> Sequence[Row]:
    """Hold what is unread of some connectors and due for a look; return what decides about it."""
    parameters = {"connectors": list(connectors), "now": now}
    return connection.execute(load_sql("lock_unread_changes"), parameters).mappings().all()


def look_again(connection: Connection, looks: Mapping[int, datetime]) -> None:
    """Put off the looks at what is unread of some connectors."""
    if looks:
        records = [{"connector_id": one, "look_at": at} for one, at in looks.items()]
        connection.execute(load_sql("look_again"), {"looks": to_records(records)})


def insert_webhook_run(
    connection: Connection,
    values: Mapping[str, Any],
    *,
    runs: int,
    detail: Mapping[str, object],
    now: datetime,
) -> bool:
    """Write a run with its first event, the `runs`th for what is unread.

    False if one waits already that did not start.
    """
    look_at = look_after_start(values["not_before_at"], now)
    more = {"runs": runs, "look_at": look_at, "detail": to_json(detail), "now": now}
    rows = connection.execute(load_sql("insert_webhook_run"), {**values, **more})
    return rows.one_or_none() is not None


def begin_anew(connection: Connection, connector_id: int) -> None:
    """Let the dispatcher look at what is unread of a connector as if no run for it had failed."""
    query = update(unread_change).where(unread_change.c.connector_id == connector_id)
    connection.execute(query.values(look_at=unread_change.c.reported_at, runs=0))


def look_soon(connection: Connection, workspace_id: int, now: datetime) -> None:
    """Let the dispatcher look at `now` at what is unread of a workspace.

    What waits for a report or a person goes on waiting, and so do the waits after failures.
    """
    query = (
        update(unread_change)
        .where(unread_change.c.workspace_id == workspace_id)
        .where(unread_change.c.look_at > now)
        .where(unread_change.c.look_at < NEVER)
    )
    connection.execute(query.values(look_at=now))


def forget_unread(connection: Connection, connector_id: int) -> None:
    """Forget what is unread of a connector: nothing will read it."""
    query = delete(unread_change).where(unread_change.c.connector_id == connector_id)
    connection.execute(query)


def forget_unread_of_workspace(connection: Connection, workspace_id: int) -> None:
    """Forget what is unread of all connectors of a workspace."""
    query = delete(unread_change).where(unread_change.c.workspace_id == workspace_id)
    connection.execute(query)
