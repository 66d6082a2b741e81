"""Shapes of who calls: API keys, members, and the caller itself."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, with_config
from typing_extensions import TypedDict

from shared.domain.access import Role
from shared.domain.audit import ActorKind
from shared.web.shapes.base import WHOLE, NextCursor, Version


@with_config(WHOLE)
class Maker(TypedDict):
    """Who made or invited somebody; null in the place of all of it is an operator."""

    id: Annotated[UUID | None, Field(description="Of their key or membership.")]
    name: Annotated[str, Field(description="That they had then.")]


@with_config(WHOLE)
class ApiKey(TypedDict):
    """A key, without what is secret of it."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="What the key begins with, after `syn_`.")]
    role: Role
    version: Version
    created_by: Maker | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]
    revoked_at: datetime | None


@with_config(WHOLE)
class NewApiKey(ApiKey):
    """A key with the whole of it, which is shown this once."""

    key: Annotated[
        str | None,
        Field(description="Null in the answer to a repeated request: it is stored nowhere."),
    ]


@with_config(WHOLE)
class ApiKeys(TypedDict):
    """A page of keys."""

    items: list[ApiKey]
    next_cursor: NextCursor


@with_config(WHOLE)
class Member(TypedDict):
    """A person of the workspace."""

    id: UUID
    email: Annotated[str, Field(description="By which the person was invited.")]
    issuer: Annotated[str, Field(description="Of whose tokens the person is.")]
    name: str
    role: Role
    version: Version
    invited_by: Maker | None
    invited_at: datetime
    invitation_ends_at: Annotated[
        datetime | None,
        Field(description="When nobody can join by it any more; null for who joined."),
    ]
    joined_at: Annotated[datetime | None, Field(description="Null while it is an invitation.")]
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]


@with_config(WHOLE)
class Members(TypedDict):
    """A page of members."""

    items: list[Member]
    next_cursor: NextCursor


@with_config(WHOLE)
class OwnWorkspace(TypedDict):
    """A workspace, as much as its callers are told before they choose it."""

    id: UUID
    slug: str
    name: str


@with_config(WHOLE)
class Caller(TypedDict):
    """Who calls."""

    kind: ActorKind
    id: UUID
    name: str
    role: Role
    workspace: OwnWorkspace


@with_config(WHOLE)
class Home(OwnWorkspace):
    """A workspace of the caller."""

    role: Annotated[Role, Field(description="That the caller has there, or is invited to.")]
    is_joined: Annotated[bool, Field(description="False while it is an invitation.")]
    is_disabled: Annotated[bool, Field(description="It serves nobody until it is enabled.")]


@with_config(WHOLE)
class Homes(TypedDict):
    """The workspaces of the caller."""

    kind: ActorKind
    workspaces: list[Home]
