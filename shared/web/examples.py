"""Bodies that the docs show, and that the API takes as they are."""

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
NEW_CHRISTMAS: Final[dict[str, Any]] = {
    "name": "Christmas",
    "dated": {"first": "2026-12-24", "last": "2026-12-26"},
}
