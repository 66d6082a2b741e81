"""The schema as SQLAlchemy Core tables: what each row and column means and who changes it.

Every tenant table carries `workspace_id` and refers to others by `(workspace_id, id)`, so that a
row can never point into another workspace. Constraints are named for the rule they keep; names
in the customer's documents are used where they exist. The migrations build the same schema, and a
test compares the two.
"""

from shared.store.tables.audit import audit_head, audit_log, refusals_left_out
from shared.store.tables.blackouts import blackout_window
from shared.store.tables.columns import metadata
from shared.store.tables.connectors import (
    connector_credential,
    oauth_state,
    workspace_connector,
)
from shared.store.tables.hooks import unread_change, webhook_delivery, webhook_endpoint
from shared.store.tables.requests import repeatable_request, trigger_allowance
from shared.store.tables.runs import sync_log, sync_log_event
from shared.store.tables.schedules import sync_schedule
from shared.store.tables.streams import connector_stream, sync_watermark
from shared.store.tables.ticks import tick
from shared.store.tables.workers import worker_instance
from shared.store.tables.workspaces import api_key, member, workspace

__all__ = [
    "api_key",
    "audit_head",
    "audit_log",
    "blackout_window",
    "connector_credential",
    "connector_stream",
    "member",
    "metadata",
    "oauth_state",
    "refusals_left_out",
    "repeatable_request",
    "sync_log",
    "sync_log_event",
    "sync_schedule",
    "sync_watermark",
    "tick",
    "trigger_allowance",
    "unread_change",
    "webhook_delivery",
    "webhook_endpoint",
    "worker_instance",
    "workspace",
    "workspace_connector",
]
