"""Ways to do without what protects reported changes: the note of them, and who heeds it."""

from shared.flow import tick
from shared.store import attempts, hooks
from tests.faults.mutations import Patch, change_sql


def note_no_report(patch: Patch) -> None:
    """Take a message without a note that something is unread."""
    change_sql(
        patch, hooks, "take_hook", r"FROM news AS n(?=\s+ON CONFLICT)", "FROM news AS n WHERE false"
    )


def take_later_reports_for_read(patch: Patch) -> None:
    """Let a run that succeeds forget also what was reported after it had begun to read."""
    change_sql(patch, attempts, "record_run", r"AND u\.reported_at < e\.reading_since")


def write_no_run_for_reports(patch: Patch) -> None:
    """Let the dispatcher look at nothing that is unread."""
    patch(tick, "start_unread", lambda *_: 0)
