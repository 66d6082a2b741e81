"""/api/v2/workspace/api-keys: keys of programs, of which the whole is shown once."""

import uuid
from http import HTTPStatus
from typing import Any

from flask import url_for

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.instants import parse_instant
from shared.flow.api_keys import MadeKey, change_key, create_key, require_key, revoke_key
from shared.store.api_keys import list_api_keys
from shared.store.engine import single_statements
from shared.store.rows import Row
from shared.web.auth import issuers, principal, wiring
from shared.web.bodies import Body, Name
from shared.web.etags import premise, version_in
from shared.web.examples import NEW_KEY, NEW_KEY_END
from shared.web.operations import Answers, Link, Takes
from shared.web.paging import page
from shared.web.present import instant
from shared.web.queries import Instant, KeysQuery
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.callers import ApiKey, ApiKeys, NewApiKey

routes = Routes("api_keys", "/api/v2/workspace/api-keys", tag="Callers", changes=ObjectKind.API_KEY)

_ITS = {"key": "/id"}


class NewKeyBody(Body):
    """A key to make; without `expires_at` it has no end."""

    name: Name
    role: Role
    expires_at: Instant | None = None


class KeyChangesBody(Body):
    """What to change of a key; what is left out stays, and null takes its end away."""

    name: Name = ""
    expires_at: Instant | None = None


@routes.on(
    "POST",
    "",
    "create_api_key",
    Role.ADMIN,
    Answers(
        HTTPStatus.CREATED,
        NewApiKey,
        {HTTPStatus.CONFLICT: ("too_many_keys",)},
        version=version_in,
        location=True,
        links=tuple(
            Link(operation, _ITS)
            for operation in ("read_api_key", "change_api_key", "revoke_api_key")
        ),
        shown_once=("key",),
    ),
    Takes(NewKeyBody, examples={"a key of a program": NEW_KEY}, key=True),
)
def create(body: NewKeyBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make a key; the whole of it is in this answer and in no other.

    Whoever repeats the request gets the key that was made without its secret: if the first answer
    was lost, revoke the key and make another.
    """
    made = create_key(
        wiring().engine,
        principal(),
        name=body.name,
        role=body.role,
        expires_at=None
        if body.expires_at is None
        else parse_instant(body.expires_at, "expires_at"),
        public_id=resource_id(),
    )
    location = url_for("api_keys.read", key=made.row["public_id"])
    return _with_secret(made), 201, {"Location": location}


@routes.on(
    "GET",
    "",
    "list_api_keys",
    Role.ADMIN,
    Answers(HTTPStatus.OK, ApiKeys),
    Takes(query=KeysQuery),
)
def browse(query: KeysQuery) -> dict[str, Any]:
    """List the keys of the workspace, or those of one maker, oldest first, revoked ones too."""
    with single_statements(wiring().engine) as connection:
        rows = list_api_keys(
            connection,
            principal().workspace_id,
            made_by=query.created_by,
            after_id=query.cursor or 0,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, _present)


@routes.on(
    "GET",
    "/<uuid:key>",
    "read_api_key",
    Role.ADMIN,
    Answers(HTTPStatus.OK, ApiKey, version=version_in),
)
def read(key: uuid.UUID) -> dict[str, Any]:
    """Read one key, without its secret."""
    with single_statements(wiring().engine) as connection:
        return _present(require_key(connection, principal(), key))


@routes.on(
    "PATCH",
    "/<uuid:key>",
    "change_api_key",
    Role.ADMIN,
    Answers(
        HTTPStatus.OK,
        ApiKey,
        {HTTPStatus.CONFLICT: ("key_revoked", "key_expired", "last_admin")},
        version=version_in,
    ),
    Takes(KeyChangesBody, examples={"an end": NEW_KEY_END}, premise=True),
)
def change(key: uuid.UUID, body: KeyChangesBody) -> dict[str, Any]:
    """Change name or end of a key; for another role, make another key."""
    changes = body.model_dump(exclude_unset=True)
    if changes.get("expires_at") is not None:
        changes["expires_at"] = parse_instant(changes["expires_at"], "expires_at")
    row = change_key(wiring().engine, principal(), issuers(), key, changes, premise=premise())
    return _present(row)


@routes.on(
    "DELETE",
    "/<uuid:key>",
    "revoke_api_key",
    Role.ADMIN,
    Answers(HTTPStatus.NO_CONTENT, problems={HTTPStatus.CONFLICT: ("last_admin",)}),
    Takes(premise=True),
)
def revoke(key: uuid.UUID) -> tuple[str, int]:
    """Revoke a key: the next request with it is refused. It stays in the list."""
    revoke_key(wiring().engine, principal(), issuers(), key, premise=premise())
    return "", 204


def maker(name: str | None, public_id: uuid.UUID | None) -> dict[str, Any] | None:
    """Return who made somebody, or None for an operator."""
    if name is None:
        return None
    return {"id": None if public_id is None else str(public_id), "name": name}


def _with_secret(made: MadeKey) -> dict[str, Any]:
    return {**_present(made.row), "key": made.text}


def _present(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["public_id"]),
        "name": row["name"],
        "prefix": row["prefix"],
        "role": row["role"],
        "version": row["version"],
        "created_by": maker(row["created_by"], row["created_by_id"]),
        "created_at": instant(row["created_at"]),
        "expires_at": instant(row["expires_at"]),
        "last_used_at": instant(row["last_used_at"]),
        "revoked_at": instant(row["revoked_at"]),
    }
