"""Blackout windows: the times in which no sync of a workspace may start."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    """
CREATE TABLE blackout_window (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    public_id UUID DEFAULT gen_random_uuid() NOT NULL,
    workspace_id BIGINT NOT NULL,
    name VARCHAR(200) NOT NULL,
    timezone VARCHAR(64) NOT NULL,
    days_of_week VARCHAR(9)[],
    starts_time VARCHAR(5),
    ends_time VARCHAR(5),
    first_day DATE,
    last_day DATE,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT blackout_window_pkey PRIMARY KEY (id),
    CONSTRAINT blackout_window_workspace_id_id_key UNIQUE (workspace_id, id),
    CONSTRAINT blackout_name_not_blank CHECK (length(btrim(name)) > 0),
    CONSTRAINT blackout_weekly_or_dated CHECK (num_nonnulls(days_of_week, starts_time,
        ends_time) IN (0, 3) AND num_nonnulls(first_day, last_day) IN (0, 2) AND (days_of_week
        IS NULL) <> (first_day IS NULL)),
    CONSTRAINT blackout_days_required CHECK (cardinality(days_of_week) BETWEEN 1 AND 7),
    CONSTRAINT blackout_days_of_week_valid CHECK (days_of_week <@ CAST(ARRAY['monday',
        'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] AS varchar[])),
    CONSTRAINT blackout_time_format CHECK (starts_time ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' AND
        ends_time ~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'),
    CONSTRAINT blackout_dates_order CHECK (first_day <= last_day),
    CONSTRAINT blackout_dates_span CHECK (last_day - first_day < 366),
    CONSTRAINT blackout_window_public_id_key UNIQUE (public_id),
    CONSTRAINT blackout_window_workspace_id_fkey FOREIGN KEY(workspace_id) REFERENCES
        workspace (id)
)
""",
    """
CREATE UNIQUE INDEX one_blackout_window_per_name ON blackout_window (workspace_id, lower(name))
""",
    """
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON blackout_window
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at()
""",
)


def upgrade() -> None:
    """Create the table, its index and its trigger."""
    for statement in _STATEMENTS:
        op.execute(statement)
