"""One line for each operation of the API: what Alice, Bob, Mallory and nobody try with it.

A new operation fails the suite until it has a line. Where a path leads to something of Alice's that
an operation usually needs, `things.py` makes it; `of` names another kind of it. A text in braces
stands for an id, and {new} for a name that nothing has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.clock import utc_now
from tests.connectors.bufdir.office import Office
from tests.connectors.bufdir.reporter import config_of

CANARY = "alice-canary"
"""In the name of whatever Alice makes."""
NOT_A_TENANTS = frozenset({"slug", "asset"})
"""Parameters of paths that name the same for everybody."""
_ID = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Case:
    """A request that names something of Alice's, unless the operation is of nobody's things."""

    operation: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    of: str | None = None
    """The kind of thing that the request is about, if its path does not say it."""
    stranger: int = 404
    """What it is answered to who names what is not there."""

    def __str__(self) -> str:
        """Return what tells this case from others in the name of a test."""
        return f"{self.operation} {self.of}" if self.of else self.operation


REALTIME = {"connector_id": "{connector}", "name": "{new}"}
DUE = (utc_now() + timedelta(hours=12)).replace(second=0, microsecond=0)
"""When schedules are due: not while the tests run, for then runs would be planned."""
TIMING = {"frequency": "daily", "preferred_time": f"{DUE:%H:%M}", "timezone": "UTC"}
SCHEDULE = {"name": "{new}", **TIMING}
NEW_SCHEDULE = {**SCHEDULE, "connector_id": "{connector}"}
STREAM = {"table": "shop", "schema": "look"}
SHOP = {"url": "postgresql://reader@127.0.0.1:1/source", "streams": [STREAM]}
CONNECTOR = {"type": "database", "name": "{new}", "config": SHOP}
FIGURES = config_of(Office(port=1), dataset={"connector_id": "{connector}"})
REPORTER = {"type": "bufdir", "name": "{new}", "config": FIGURES}
WINDOW = {"name": "{new}", "dated": {"first": "2030-01-01", "last": "2030-01-02"}}
CORRECTION = {"period": "2026-Q1", "reason": "for isolation"}
RUNS_OF = {"connector_id": "{connector}"}
RUNS_FROM = {"schedule_id": "{schedule}"}


def bulk(action: str) -> Case:
    """Return the case of something done to many schedules."""
    body = {"action": action, "ids": ["{schedule}"]}
    return Case("act_on_schedules", body, of="schedule", stranger=200)


CASES = (
    Case("act_on_report", CORRECTION, of="report"),
    Case("act_on_schedules", {"action": "resume", "filter": {}}),
    bulk("pause"),
    bulk("resume"),
    bulk("trigger"),
    Case("authorize_connector", {}, of="authorizable"),
    Case("cancel_run", {"note": "for isolation"}),
    Case("change_api_key", {"name": "{new}"}),
    Case("change_connector", {"name": "{new}"}),
    Case("change_member", {"name": "{new}"}),
    Case("change_schedule", {"preferred_time": "04:30"}),
    Case("change_webhook_endpoint", {"name": "{new}"}),
    Case("change_workspace", {"name": "{new}"}),
    Case("check_connector"),
    Case("create_api_key", {"name": "{new}", "role": "viewer"}),
    Case("create_blackout_window", WINDOW),
    Case("create_connector", CONNECTOR),
    Case("create_connector", REPORTER, of="connector", stranger=422),
    Case("create_schedule", NEW_SCHEDULE, of="connector"),
    Case("create_webhook_endpoint", REALTIME, of="realtime"),
    Case("delete_blackout_window"),
    Case("delete_connector"),
    Case("delete_schedule"),
    Case("delete_webhook_endpoint"),
    Case("disable_connector"),
    Case("enable_connector", of="disabled"),
    Case("end_dataset_reader"),
    Case("export_audit_log"),
    Case("export_audit_log", query={"object_id": "{connector}"}, of="unheard", stranger=200),
    Case("export_runs", query={"format": "jsonl"}),
    Case("export_runs", query=RUNS_OF, of="connector"),
    Case("export_runs", query=RUNS_FROM, of="schedule"),
    Case("invite_member", {"email": "{new}@example.com", "role": "viewer"}),
    Case("is_alive"),
    Case("is_ready"),
    Case("list_api_keys"),
    Case("list_api_keys", query={"created_by": "{key}"}, of="key", stranger=200),
    Case("list_audit_log"),
    Case("list_audit_log", query={"object_id": "{connector}"}, of="unheard", stranger=200),
    Case("list_blackout_windows"),
    Case("list_connector_types"),
    Case("list_connectors"),
    Case("list_due_connectors", query={"at": DUE.isoformat()}),
    Case("list_history"),
    Case("list_members"),
    Case("list_own_workspaces"),
    Case("list_reports", of="report"),
    Case("list_runs"),
    Case("list_runs", query=RUNS_OF, of="connector"),
    Case("list_runs", query=RUNS_FROM, of="schedule"),
    Case("list_schedules"),
    Case("list_schedules", query=RUNS_OF, of="schedule", stranger=200),
    Case("list_streams"),
    Case("list_upcoming"),
    Case("list_watermarks", of="stream"),
    Case("list_webhook_endpoints"),
    Case("list_webhook_endpoints", query={"connector_id": "{connector}"}, of="hook", stranger=200),
    Case("make_dataset_reader"),
    Case("pause_schedule", {"note": "for isolation"}),
    Case("preview_schedule"),
    Case("preview_timing", {"frequency": "hourly"}),
    Case("preview_timing", {"frequency": "hourly", "connector_id": "{connector}"}, of="connector"),
    Case("read_api_key"),
    Case("read_blackout_window"),
    Case("read_caller"),
    Case("read_connector"),
    Case("read_connector_health"),
    Case("read_connector_type"),
    Case("read_dataset"),
    Case("read_health"),
    Case("read_member"),
    Case("read_metrics"),
    Case("read_openapi"),
    Case("read_run"),
    Case("read_schedule"),
    Case("read_webhook_endpoint"),
    Case("read_workspace"),
    Case("receive_hook"),
    Case("remove_member"),
    Case("replace_schedule", SCHEDULE),
    Case("reset_watermark"),
    Case("resume_schedule"),
    Case("retry_run", of="ended_run"),
    Case("revoke_api_key"),
    Case("rotate_webhook_endpoint", {}),
    Case("set_watermark", {"value": "8", "type": "int"}),
    Case("show_docs"),
    Case("show_docs_asset"),
    Case("trigger_schedule"),
)


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """Return a body or query with ids in the places of texts in braces."""
    match value:
        case str():
            return _ID.sub(lambda found: ids[found[1]], value)
        case Mapping():
            return {name: filled(one, ids) for name, one in value.items()}
        case list():
            return [filled(one, ids) for one in value]
        case _:
            return value
