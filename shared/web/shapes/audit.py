"""Shapes of the audit log."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.audit import ActorKind, ObjectKind, Outcome
from shared.web.shapes.base import WHOLE, NextCursor

Fields = Annotated[
    dict[str, Any] | None,
    Field(
        description="Fields as the API shows them, without secrets: all of what was made or"
        " deleted, of what was changed those that differ; null where there was nothing."
    ),
]


@with_config(WHOLE)
class AuditActor(TypedDict):
    """Who acted, and from where."""

    kind: ActorKind
    id: Annotated[UUID | None, Field(description="Of the key or the member; operators have none.")]
    name: Annotated[str, Field(description="The name that they had then.")]
    address: Annotated[str | None, Field(description="The IP address that called, if known.")]
    request_id: Annotated[str | None, Field(description="The X-Request-Id of the answer.")]


@with_config(WHOLE)
class AuditObject(TypedDict):
    """What was changed, or was to be."""

    kind: ObjectKind
    id: Annotated[
        UUID | None,
        Field(
            description="Of watermarks and reports that of the connector; null if there is none."
        ),
    ]
    name: Annotated[str | None, Field(description="The name that it has since then.")]


@with_config(WHOLE)
class AuditEntry(TypedDict):
    """One change, made or refused."""

    number: Annotated[int, Field(description="Counts the workspace's entries, without a gap.")]
    at: datetime
    actor: AuditActor
    action: Annotated[str, Field(description="The id of the operation, or of one like it.")]
    object: AuditObject
    outcome: Outcome
    code: Annotated[str | None, Field(description="That of the problem, if it was refused.")]
    before: Fields
    after: Fields
    hash: Annotated[str, Field(description="SHA-256 over this entry and the hash before it.")]


@with_config(WHOLE)
class AuditEntries(TypedDict):
    """A page of the audit log."""

    items: list[AuditEntry]
    next_cursor: NextCursor
