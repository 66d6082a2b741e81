"""The blackout windows that a request's answers heed."""

from flask import g

from shared.domain.blackout import BlackoutWindow
from shared.store.blackouts import windows_of
from shared.store.engine import single_statements
from shared.web.auth import principal, wiring


def caller_windows() -> tuple[BlackoutWindow, ...]:
    """Return the windows of the caller's workspace, read once a request."""
    if "blackout_windows" not in g:
        workspace_id = principal().workspace_id
        with single_statements(wiring().engine) as connection:
            g.blackout_windows = windows_of(connection, [workspace_id]).get(workspace_id, ())
    return g.blackout_windows
