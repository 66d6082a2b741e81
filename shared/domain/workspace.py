"""Whether a workspace works: what its callers are told while it does not."""

from enum import StrEnum

from shared.errors import ForbiddenError, UnauthenticatedError


class WorkspaceState(StrEnum):
    """State of a workspace; set by operators.

    - ACTIVE: its schedules are planned, its callers are served.
    - DISABLED: nothing is planned or started, its callers are refused; enabling ends it.
    - DELETED: as disabled, and its callers are nobody's any more.
    """

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


def require_active(state: WorkspaceState) -> None:
    """Raise `ForbiddenError` (workspace_disabled) or `UnauthenticatedError` (workspace_deleted)."""
    match state:
        case WorkspaceState.ACTIVE:
            return
        case WorkspaceState.DISABLED:
            raise ForbiddenError(
                "The workspace is disabled: nothing of it runs. Ask who operates Syncline.",
                code="workspace_disabled",
            )
        case WorkspaceState.DELETED:
            raise UnauthenticatedError("The workspace was deleted.", code="workspace_deleted")
