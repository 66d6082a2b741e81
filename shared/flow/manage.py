"""What people and programs set up first: workspaces, API keys and connectors."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from shared.connectors.registry import connector_type, slugs
from shared.connectors.secrets import split_secrets
from shared.domain.access import Principal, Role
from shared.domain.api_keys import ApiKey
from shared.domain.local_time import load_zone
from shared.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    Problem,
)
from shared.gcp.sealing import LocalKey, seal
from shared.store.connectors import insert_connector, insert_credential
from shared.store.rows import Row
from shared.store.violations import violation_of
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


def create_connector(
    engine: Engine,
    principal: Principal,
    key: LocalKey | None,
    *,
    slug: str,
    name: str,
    config: Mapping[str, object],
) -> Row:
    """Create a connector whose config fits its type, with its secrets sealed.

    Raises `InvalidInputError` naming each field that does not fit, `ConflictError` for a name
    that the workspace uses already.
    """
    plain, secret = _validated(slug, config)
    if secret and key is None:
        raise ConfigurationError("Set SYNCLINE_KEY_FILE: there is no key to seal secrets with.")
    try:
        with engine.begin() as connection:
            public_id = uuid4()
            row = insert_connector(
                connection,
                {
                    "public_id": public_id,
                    "workspace_id": principal.workspace_id,
                    "connector_type": slug,
                    "name": name,
                    "config": plain,
                },
            )
            if secret and key is not None:
                sealed = seal(key, secret, principal.workspace_id, public_id)
                insert_credential(
                    connection,
                    principal.workspace_id,
                    row["id"],
                    ciphertext=sealed.ciphertext,
                    nonce=sealed.nonce,
                    wrapped_key=sealed.wrapped_key,
                    key_version=sealed.key_version,
                )
            return row
    except IntegrityError as error:
        if violation_of(error).constraint == "one_connector_per_name":
            raise ConflictError(
                f"This workspace has a connector named {name!r} already.", code="name_taken"
            ) from error
        raise


def _validated(slug: str, config: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    if slug not in slugs():
        raise InvalidInputError(
            Problem(
                "type",
                "unknown_connector_type",
                f"there is no connector type {slug!r}",
                f"use one of {', '.join(slugs())}",
            )
        )
    try:
        return split_secrets(connector_type(slug).config_model.model_validate(config))
    except ValidationError as error:
        raise InvalidInputError(
            *(
                Problem(
                    field=".".join(["config", *map(str, problem["loc"])]),
                    code=f"connector_{problem['type']}",
                    reason=problem["msg"],
                )
                # `input` is left out: it may be a secret that stands in the wrong field.
                for problem in error.errors(include_input=False, include_url=False)
            )
        ) from None
