"""A workspace with a row in every table of a tenant, and the logins that look for them."""

from collections.abc import Mapping

from sqlalchemy import Engine, text

from shared.store.tables import metadata
from tests.factories import make_tenant

TENANT_TABLES = tuple(
    sorted(
        name
        for name, table in metadata.tables.items()
        if name == "workspace" or "workspace_id" in table.c
    )
)
OPEN_TABLES = ("alembic_version", "tick", "worker_instance")
"""Tables in which nothing is a tenant's."""

_CONNECTOR = "SELECT id FROM workspace_connector WHERE workspace_id = :w"
_RUN = "SELECT id FROM workspace_connector_sync_log WHERE workspace_id = :w"
_FILL: Mapping[str, str] = {
    "api_key": (
        "(workspace_id, name, prefix, secret_hash, role)"
        " VALUES (:w, 'alice-canary', :slug, decode(md5(:slug), 'hex'), 'admin')"
    ),
    "member": (
        "(workspace_id, issuer, email, subject, joined_at, name, role)"
        " VALUES (:w, 'https://id.test', :slug || '@id.test', :slug, now(), 'alice-canary',"
        " 'admin')"
    ),
    "audit_log": (
        "(workspace_id, actor_kind, actor_name, action, object_kind, outcome)"
        " VALUES (:w, 'operator', 'alice-canary', 'a', 'o', 'done')"
    ),
    "blackout_window": (
        "(workspace_id, name, timezone, first_day, last_day)"
        " VALUES (:w, 'alice-canary', 'UTC', '2026-01-01', '2026-01-02')"
    ),
    "workspace_connector": (
        "(workspace_id, connector_type, name, config) VALUES (:w, 'database', 'alice-canary', '{}')"
    ),
    "connector_credential": (
        "(connector_id, workspace_id, ciphertext, nonce, wrapped_key, key_version)"
        f" VALUES (({_CONNECTOR}), :w, '', '', '', 'local-1')"
    ),
    "sync_schedule": (
        "(workspace_id, connector_id, name, frequency, timezone)"
        f" VALUES (:w, ({_CONNECTOR}), 'alice-canary', 'manual', 'UTC')"
    ),
    "workspace_connector_sync_log": (
        "(workspace_id, connector_id, schedule_id, trigger_type, idempotency_key, not_before_at,"
        " status, started_at, lease_expires_at)"
        " SELECT c.workspace_id, c.id, s.id, 'manual', c.public_id || '-alice', now(),"
        " 'in_progress', now(), now() FROM workspace_connector AS c"
        " JOIN sync_schedule AS s ON s.connector_id = c.id WHERE c.workspace_id = :w"
    ),
    "sync_log_event": (
        f"(workspace_id, run_id, happened_at, kind) VALUES (:w, ({_RUN}), now(), 'alice')"
    ),
    "sync_watermark": (
        "(connector_id, stream, workspace_id, cursor, value, run_id)"
        f" VALUES (({_CONNECTOR}), 'alice-canary', :w, 'c', '{{}}', ({_RUN}))"
    ),
    "connector_stream": (
        "(connector_id, stream, workspace_id, status, run_id)"
        f" VALUES (({_CONNECTOR}), 'alice-canary', :w, 'success', ({_RUN}))"
    ),
    "refusals_left_out": (
        "(workspace_id, actor_kind, actor_name, refusals, first_at, last_at)"
        " VALUES (:w, 'operator', 'alice-canary', 1, now(), now())"
    ),
    "trigger_allowance": "(workspace_id, spent_until) VALUES (:w, now())",
    "repeatable_request": (
        "(workspace_id, operation, key_hash, fingerprint, resource_id, locked_until, expires_at)"
        " VALUES (:w, 'o', 'k', 'f', gen_random_uuid(), now(), now())"
    ),
    "webhook_endpoint": (
        "(workspace_id, connector_id, name, scheme, ciphertext, nonce, wrapped_key, key_version)"
        f" VALUES (:w, ({_CONNECTOR}), 'alice-canary', 'standard', '', '', '', 'local-1')"
    ),
    "unread_change": (
        "(connector_id, workspace_id, reported_at, look_at)"
        f" VALUES (({_CONNECTOR}), :w, now(), now())"
    ),
    "webhook_delivery": (
        "(endpoint_id, message_hash, workspace_id, expires_at)"
        " SELECT id, 'm', workspace_id, now() FROM webhook_endpoint WHERE workspace_id = :w"
    ),
    "oauth_state": (
        "(state_hash, workspace_id, connector_id, ciphertext, nonce, wrapped_key, key_version,"
        " redirect_uri, expires_at, access_version)"
        f" VALUES (decode(md5(:slug), 'hex'), :w, ({_CONNECTOR}), '', '', '', 'local-1',"
        " 'https://localhost/', now(), 1)"
    ),
}


def fill_workspace(engine: Engine) -> int:
    """Make a workspace with a row in every table of a tenant, and return its key."""
    workspace_id = make_tenant(engine).workspace_id
    with engine.begin() as connection:
        for table, values in _FILL.items():
            if table in TENANT_TABLES:
                statement = text(f"INSERT INTO {table} {values}")
                connection.execute(statement, {"w": workspace_id, "slug": f"w{workspace_id}"})
    return workspace_id


def key_of(table: str) -> str:
    """Return the column of a table that says whose its row is."""
    return "id" if table == "workspace" else "workspace_id"
