"""What is left of a workspace's rate of manual triggers."""

from sqlalchemy import Connection

from shared.store.sql import load_sql


def triggers_left(connection: Connection, workspace_id: int) -> int:
    """Return how many runs by hand a workspace may start now; nothing is spent."""
    parameters = {"workspace_id": workspace_id}
    return connection.execute(load_sql("triggers_left"), parameters).scalar_one()
