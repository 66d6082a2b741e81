"""What an operator sets up first: workspaces and their API keys."""

import re
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Role
from shared.domain.audit import OPERATOR, Actor, Change, ObjectKind
from shared.domain.local_time import load_zone
from shared.errors import (
    ConflictError,
    InvalidInputError,
    Problem,
)
from shared.flow.api_keys import new_api_key
from shared.store.api_keys import insert_api_key
from shared.store.audit import append_audit
from shared.store.workspaces import insert_workspace

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def create_workspace(
    engine: Engine, *, slug: str, name: str, timezone: str, by: Actor = OPERATOR
) -> int:
    """Create a workspace and return its internal key; `ConflictError` if the slug is taken."""
    load_zone(timezone)
    if not _SLUG.fullmatch(slug):
        raise InvalidInputError(
            Problem("slug", "slug_form", f"{slug[:80]!r} is not a slug", "Use a-z, 0-9 and -.")
        )
    try:
        with engine.begin() as connection:
            values = {"slug": slug, "name": name, "timezone": timezone}
            made = insert_workspace(connection, values)
            change = Change("create_workspace", ObjectKind.WORKSPACE, None, name, after=values)
            append_audit(connection, made, by, change)
            return made
    except IntegrityError as error:
        raise ConflictError(f"There is a workspace {slug!r} already.", code="slug_taken") from error


def create_api_key(
    engine: Engine,
    workspace_id: int,
    *,
    name: str,
    role: Role,
    expires_at: datetime | None = None,
    by: Actor = OPERATOR,
) -> str:
    """Create a key for a workspace and return its text, which nobody can read again."""
    key = new_api_key()
    with engine.begin() as connection:
        values = {"name": name, "role": role, "expires_at": expires_at}
        made = insert_api_key(connection, workspace_id, key, values)["public_id"]
        change = Change("create_api_key", ObjectKind.API_KEY, made, name, after=values)
        append_audit(connection, workspace_id, by, change)
    return key.text
