"""Whether a caller is still who they were when their request began."""

from sqlalchemy import Connection

from shared.domain.access import Principal, Role
from shared.domain.audit import Actor
from shared.errors import CredentialsError
from shared.store.admins import has_standing
from shared.store.workspaces import lock_workspace


def lock_for_admin(connection: Connection, principal: Principal) -> None:
    """Hold the workspace, and make sure that the caller was not shut out meanwhile.

    A body may take long to come: whoever is revoked, removed or demoted while it does must not
    leave a key or a member behind. Raises `CredentialsError`.
    """
    lock_workspace(connection, principal.workspace_id)
    if not has_standing(connection, principal.workspace_id, principal.actor, {principal.role}):
        raise _ended()


def require_still(connection: Connection, workspace_id: int, actor: Actor, needed: Role) -> None:
    """Make sure that who began something may still do what needs this role.

    The caller holds the workspace. Raises `CredentialsError`.
    """
    roles = [role for role in Role if role.allows(needed)]
    if not has_standing(connection, workspace_id, actor, roles):
        raise _ended()


def _ended() -> CredentialsError:
    return CredentialsError(
        "Your key or membership ended, or got another role, while this request was under way."
    )
