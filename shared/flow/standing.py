"""Whether a caller is still who they were when their request began."""

from sqlalchemy import Connection

from shared.domain.access import Principal
from shared.errors import CredentialsError
from shared.store.admins import has_standing
from shared.store.workspaces import lock_workspace


def lock_for_admin(connection: Connection, principal: Principal) -> None:
    """Hold the workspace, and make sure that the caller was not shut out meanwhile.

    A body may take long to come: whoever is revoked, removed or demoted while it does must not
    leave a key or a member behind. Raises `CredentialsError`.
    """
    lock_workspace(connection, principal.workspace_id)
    if not has_standing(connection, principal.workspace_id, principal.actor, principal.role):
        raise CredentialsError(
            "Your key or membership ended, or got another role, while this request was under way."
        )
