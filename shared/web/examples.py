"""What the docs show: bodies that the API takes as they are, and texts that it answers."""

from collections.abc import Mapping
from typing import Any, Final

NEW_CONNECTOR: Final[dict[str, Any]] = {
    "type": "database",
    "name": "Shop",
    "config": {
        "url": "postgresql://reader@db.example.com:5432/shop",
        "streams": [{"table": "orders", "cursor": "updated_at", "primary_key": ["id"]}],
    },
}
NEW_NAME: Final[dict[str, Any]] = {"name": "Shop, the new one"}
NEW_TIMING: Final[dict[str, Any]] = {
    "frequency": "weekly",
    "preferred_time": "06:00",
    "preferred_day_of_week": "monday",
    "timezone": "Europe/Oslo",
}
NEW_TIME: Final[dict[str, Any]] = {"preferred_time": "04:30"}
NEW_SETTINGS: Final[dict[str, Any]] = {
    "name": "Every night",
    "frequency": "daily",
    "preferred_time": "02:00",
    "timezone": "Europe/Oslo",
}
NEW_SCHEDULE: Final[dict[str, Any]] = {
    "connector_id": "7f1c0f0e-7f0d-4b7e-9a55-0d2a6f5c1b11",
    **NEW_SETTINGS,
}
NEW_WEEKEND: Final[dict[str, Any]] = {
    "name": "Weekend",
    "weekly": {"days": ["friday"], "from": "22:00", "to": "06:00"},
}
NEW_KEY: Final[dict[str, Any]] = {"name": "Nightly report", "role": "viewer"}
NEW_KEY_END: Final[dict[str, Any]] = {"expires_at": "2099-01-01T00:00:00Z"}
NEW_MEMBER: Final[dict[str, Any]] = {"email": "kari@example.com", "role": "editor"}
NEW_ROLE: Final[dict[str, Any]] = {"role": "admin"}
NEW_CHRISTMAS: Final[dict[str, Any]] = {
    "name": "Christmas",
    "dated": {"first": "2026-12-24", "last": "2026-12-26"},
}
_EXPORTED_LINES: Final = (
    '{"id": "0b8f6f1e-4f0a-4f0e-8f43-6d1f0c1f9a10", "status": "success", "reason": null,'
    ' "trigger_type": "cloud_task", "period_at": "2026-03-02T01:00:00Z",'
    ' "records_processed": 1200, "created_at": "2026-03-02T00:58:30.012Z"}\n'
    '{"complete": true, "runs": 1}\n'
)
EXPORTS: Final[Mapping[str, str]] = {
    "text/csv": (
        "id,connector_id,schedule_id,status,reason,trigger_type,period_at\r\n"
        "0b8f6f1e-4f0a-4f0e-8f43-6d1f0c1f9a10,7f1c0f0e-7f0d-4b7e-9a55-0d2a6f5c1b11,,success,,"
        "manual,\r\n"
        "#complete,1\r\n"
    ),
    "application/jsonl": _EXPORTED_LINES,
    "application/x-ndjson": _EXPORTED_LINES,
}
"""Of the columns of the first the first seven, and of the fields of the others some."""
