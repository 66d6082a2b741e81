"""Times in which no sync of a workspace may start."""

from sqlalchemy import CheckConstraint, Column, Date, Index, String, Table, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ARRAY

from shared.store.tables.columns import (
    created_at,
    internal_id,
    metadata,
    public_id,
    updated_at,
    workspace_id,
)

# Weekly hours or dated days on the wall clock of a zone; see shared/domain/blackout.py. Written
# and deleted by admins; the dispatcher reads it for the workspaces whose schedules are due.
blackout_window = Table(
    "blackout_window",
    metadata,
    internal_id(),
    public_id(),
    workspace_id(is_direct=True),
    Column("name", String(200), nullable=False),
    Column("timezone", String(64), nullable=False),
    # Of weekly hours: the days on which they start. An end at or before the start is a day later.
    Column("days_of_week", ARRAY(String(9)), nullable=True),
    Column("starts_time", String(5), nullable=True),
    Column("ends_time", String(5), nullable=True),
    # Of dated days: both included.
    Column("first_day", Date, nullable=True),
    Column("last_day", Date, nullable=True),
    created_at(),
    updated_at(),
    # Also the index by which the windows of many workspaces are read in order.
    UniqueConstraint("workspace_id", "id"),
    CheckConstraint("length(btrim(name)) > 0", name="blackout_name_not_blank"),
    CheckConstraint(
        "num_nonnulls(days_of_week, starts_time, ends_time) IN (0, 3)"
        " AND num_nonnulls(first_day, last_day) IN (0, 2)"
        " AND (days_of_week IS NULL) <> (first_day IS NULL)",
        name="blackout_weekly_or_dated",
    ),
    CheckConstraint("cardinality(days_of_week) BETWEEN 1 AND 7", name="blackout_days_required"),
    CheckConstraint(
        "days_of_week <@ CAST(ARRAY['monday', 'tuesday', 'wednesday', 'thursday', 'friday',"
        " 'saturday', 'sunday'] AS varchar[])",
        name="blackout_days_of_week_valid",
    ),
    CheckConstraint(
        "starts_time ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'"
        " AND ends_time ~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'",
        name="blackout_time_format",
    ),
    CheckConstraint("first_day <= last_day", name="blackout_dates_order"),
    CheckConstraint("last_day - first_day < 366", name="blackout_dates_span"),
)
Index(
    "one_blackout_window_per_name",
    blackout_window.c.workspace_id,
    func.lower(blackout_window.c.name),
    unique=True,
)
