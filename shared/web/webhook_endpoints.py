"""/api/v2/webhook-endpoints: where sources report changes, with secrets that are shown once."""

import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Self

from flask import url_for
from pydantic import Field, StringConstraints, model_validator

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.hooks import HookScheme, may_hold_secret
from shared.flow.webhook_endpoints import (
    MadeEndpoint,
    create_endpoint,
    remove_endpoint,
    rename_endpoint,
    require_endpoint,
    rotate_endpoint,
)
from shared.store.engine import single_statements
from shared.store.hooks import list_endpoints
from shared.store.rows import Row
from shared.web.auth import principal, wiring
from shared.web.bodies import Body, Name
from shared.web.etags import premise, version_in
from shared.web.examples import NEW_NAME
from shared.web.operations import Answers, Link, Takes
from shared.web.paging import page
from shared.web.present import instant
from shared.web.queries import OfConnectorQuery
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.hooks import NewWebhookEndpoint, WebhookEndpoint, WebhookEndpoints

routes = Routes(
    "webhook_endpoints",
    "/api/v2/webhook-endpoints",
    tag="Webhooks",
    changes=ObjectKind.WEBHOOK_ENDPOINT,
)

_MAX_OVERLAP_SECONDS = 604_800
_ONE = Answers(HTTPStatus.OK, WebhookEndpoint, version=version_in)
_ITS = {"hook": "/id"}


class NewEndpointBody(Body):
    """An endpoint to make for a connector with a realtime schedule."""

    connector_id: uuid.UUID
    name: Name
    scheme: HookScheme = HookScheme.STANDARD
    secret_header: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9-]{1,64}$")] | None = None

    @model_validator(mode="after")
    def _check_header(self) -> Self:
        if self.secret_header is not None and self.scheme is HookScheme.STANDARD:
            raise ValueError("secret_header is of the scheme shared_secret: leave it out")
        if self.secret_header is not None and not may_hold_secret(self.secret_header):
            raise ValueError(
                "secret_header names a header that means something else, which others on the way"
                " may change or log: choose one of your own, such as X-Webhook-Secret"
            )
        return self


class EndpointChangesBody(Body):
    """What to change of an endpoint."""

    name: Name


class RotationBody(Body):
    """For how long the secret before the new one is still taken."""

    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=_MAX_OVERLAP_SECONDS)] = 86_400


@routes.on(
    "POST",
    "",
    "create_webhook_endpoint",
    Role.EDITOR,
    Answers(
        HTTPStatus.CREATED,
        NewWebhookEndpoint,
        {
            HTTPStatus.NOT_FOUND: ("foreign_key_integrity",),
            HTTPStatus.CONFLICT: ("needs_realtime_schedule", "too_many_endpoints"),
        },
        version=version_in,
        location=True,
        links=tuple(
            Link(operation, _ITS)
            for operation in (
                "read_webhook_endpoint",
                "change_webhook_endpoint",
                "rotate_webhook_endpoint",
                "delete_webhook_endpoint",
            )
        ),
        shown_once=("secret",),
    ),
    Takes(NewEndpointBody, key=True),
)
def create(body: NewEndpointBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make an endpoint; its secret is in this answer and in no other.

    Whoever repeats the request gets the endpoint that was made without its secret: if the first
    answer was lost, rotate it.
    """
    header = body.secret_header
    made = create_endpoint(
        wiring().engine,
        principal(),
        wiring().key,
        body.connector_id,
        name=body.name,
        scheme=body.scheme,
        secret_header=None if header is None else header.lower(),
        public_id=resource_id(),
    )
    location = url_for("webhook_endpoints.read", hook=made.row["public_id"])
    return _with_secret(made), 201, {"Location": location}


@routes.on(
    "GET",
    "",
    "list_webhook_endpoints",
    Role.VIEWER,
    Answers(HTTPStatus.OK, WebhookEndpoints),
    Takes(query=OfConnectorQuery),
)
def browse(query: OfConnectorQuery) -> dict[str, Any]:
    """List the endpoints of the workspace, or of one connector, oldest first."""
    with single_statements(wiring().engine) as connection:
        rows = list_endpoints(
            connection,
            principal().workspace_id,
            connector=query.connector_id,
            after_id=query.cursor or 0,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, _present)


@routes.on(
    "GET",
    "/<uuid:hook>",
    "read_webhook_endpoint",
    Role.VIEWER,
    _ONE,
)
def read(hook: uuid.UUID) -> dict[str, Any]:
    """Read one endpoint; its secret is not shown again."""
    with single_statements(wiring().engine) as connection:
        return _present(require_endpoint(connection, principal(), hook))


@routes.on(
    "PATCH",
    "/<uuid:hook>",
    "change_webhook_endpoint",
    Role.EDITOR,
    _ONE,
    Takes(EndpointChangesBody, examples={"another name": NEW_NAME}, premise=True),
)
def change(hook: uuid.UUID, body: EndpointChangesBody) -> dict[str, Any]:
    """Change the name of an endpoint; its address and its secret stay."""
    row = rename_endpoint(wiring().engine, principal(), hook, name=body.name, premise=premise())
    return _present(row)


@routes.on(
    "POST",
    "/<uuid:hook>/rotate",
    "rotate_webhook_endpoint",
    Role.EDITOR,
    Answers(
        HTTPStatus.OK,
        NewWebhookEndpoint,
        {HTTPStatus.CONFLICT: ("changed_meanwhile",)},
        version=version_in,
    ),
    Takes(RotationBody, body_is_optional=True, premise=True),
)
def rotate(hook: uuid.UUID, body: RotationBody) -> dict[str, Any]:
    """Give an endpoint a new secret; the one before is taken for a day, or as long as you say."""
    made = rotate_endpoint(
        wiring().engine,
        principal(),
        wiring().key,
        hook,
        overlap=timedelta(seconds=body.overlap_seconds),
        premise=premise(),
    )
    return _with_secret(made)


@routes.on(
    "DELETE",
    "/<uuid:hook>",
    "delete_webhook_endpoint",
    Role.EDITOR,
    Answers(HTTPStatus.NO_CONTENT),
    Takes(premise=True),
)
def delete(hook: uuid.UUID) -> tuple[str, int]:
    """Delete an endpoint: its messages are refused from now on."""
    remove_endpoint(wiring().engine, principal(), hook, premise=premise())
    return "", 204


def _with_secret(made: MadeEndpoint) -> dict[str, Any]:
    return {**_present(made.row), "secret": made.secret}


def _present(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["public_id"]),
        "connector_id": str(row["connector_public_id"]),
        "name": row["name"],
        "path": url_for("hooks.receive", hook=row["public_id"]),
        "scheme": row["scheme"],
        "secret_header": row["secret_header"],
        "previous_secret_until": instant(row["previous_until"]),
        "rotated_at": instant(row["rotated_at"]),
        "last_used_at": instant(row["last_used_at"]),
        "version": row["version"],
        "created_at": instant(row["created_at"]),
    }
