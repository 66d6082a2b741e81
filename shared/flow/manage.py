"""What an operator sets up first: workspaces and their API keys."""

import re
import secrets
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from shared.domain.access import Role
from shared.domain.api_keys import ApiKey
from shared.domain.local_time import load_zone
from shared.errors import (
    ConflictError,
    InvalidInputError,
    Problem,
)
from shared.store.workspaces import insert_api_key, insert_workspace

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PREFIX_BYTES = 6
_SECRET_BYTES = 32


def create_workspace(engine: Engine, *, slug: str, name: str, timezone: str) -> int:
    """Create a workspace and return its internal key; `ConflictError` if the slug is taken."""
    load_zone(timezone)
    if not _SLUG.fullmatch(slug):
        raise InvalidInputError(
            Problem("slug", "slug_form", f"{slug[:80]!r} is not a slug", "Use a-z, 0-9 and -.")
        )
    try:
        with engine.begin() as connection:
            return insert_workspace(connection, {"slug": slug, "name": name, "timezone": timezone})
    except IntegrityError as error:
        raise ConflictError(f"There is a workspace {slug!r} already.", code="slug_taken") from error


def create_api_key(
    engine: Engine, workspace_id: int, *, name: str, role: Role, expires_at: datetime | None = None
) -> str:
    """Create a key for a workspace and return its text, which nobody can read again."""
    key = ApiKey(secrets.token_hex(_PREFIX_BYTES), secrets.token_hex(_SECRET_BYTES))
    with engine.begin() as connection:
        insert_api_key(connection, workspace_id, key, name=name, role=role, expires_at=expires_at)
    return key.text
