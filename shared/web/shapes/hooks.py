"""Shapes of webhook endpoints and of what their messages are answered."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.hooks import HookScheme
from shared.domain.unread import Obstacle
from shared.flow.hooks import HookResult
from shared.web.shapes.base import WHOLE, NextCursor, Version


@with_config(WHOLE)
class HookAnswer(TypedDict):
    """What became of a message."""

    result: HookResult
    waits_for: Obstacle | None


@with_config(WHOLE)
class WebhookEndpoint(TypedDict):
    """Where a source reports changes."""

    id: UUID
    connector_id: UUID
    name: str
    path: Annotated[str, Field(description="Where messages are sent, on the host of the API.")]
    scheme: HookScheme
    secret_header: str | None
    previous_secret_until: datetime | None
    rotated_at: datetime | None
    last_used_at: datetime | None
    version: Version
    created_at: datetime


@with_config(WHOLE)
class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint with its new secret, which is shown this once."""

    secret: Annotated[
        str | None,
        Field(description="Null in the answer to a repeated request: it is told nobody again."),
    ]


@with_config(WHOLE)
class WebhookEndpoints(TypedDict):
    """A page of webhook endpoints."""

    items: list[WebhookEndpoint]
    next_cursor: NextCursor
