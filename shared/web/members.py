"""/api/v2/workspace/members: people of the workspace, and who the caller is."""

import uuid
from http import HTTPStatus
from typing import Annotated, Any

from flask import url_for
from pydantic import StringConstraints

from shared.domain.access import Role
from shared.domain.audit import ObjectKind
from shared.domain.members import LONGEST_EMAIL, invitation_end
from shared.flow.members import change_member, invite_member, remove_member, require_member
from shared.store.engine import single_statements
from shared.store.members import list_members
from shared.store.rows import Row
from shared.store.workspace_settings import find_settings
from shared.web.api_keys import maker
from shared.web.auth import issuers, principal, wiring
from shared.web.bodies import Body, Name
from shared.web.etags import premise, version_in
from shared.web.examples import NEW_MEMBER, NEW_ROLE
from shared.web.operations import Answers, Link, Takes
from shared.web.paging import page
from shared.web.present import instant
from shared.web.queries import PageQuery, RemovalQuery
from shared.web.repeats import resource_id
from shared.web.routes import Routes
from shared.web.shapes.callers import Caller, Member, Members

routes = Routes("members", "/api/v2/workspace", tag="Callers", changes=ObjectKind.MEMBER)

_ITS = {"member": "/id"}


class InvitationBody(Body):
    """Whom to invite; `issuer` may be left out where the deployment has one only."""

    email: Annotated[str, StringConstraints(max_length=LONGEST_EMAIL)]
    role: Role
    name: Name | None = None
    issuer: Annotated[str, StringConstraints(max_length=255)] | None = None


class MemberChangesBody(Body):
    """What to change of a member; what is left out stays as it is."""

    name: Name = ""
    role: Role = Role.VIEWER


@routes.on(
    "GET",
    "/me",
    "read_caller",
    Role.VIEWER,
    Answers(HTTPStatus.OK, Caller),
)
def read_caller() -> dict[str, Any]:
    """Tell who you are, your role, and the workspace that you speak for."""
    caller = principal()
    with single_statements(wiring().engine) as connection:
        home = find_settings(connection, caller.workspace_id)
    return {
        "kind": caller.actor.kind,
        "id": str(caller.actor.id),
        "name": caller.actor.name,
        "role": caller.role,
        "workspace": {
            "id": str(home["public_id"]),
            "slug": home["slug"],
            "name": home["name"],
        },
    }


@routes.on(
    "POST",
    "/members",
    "invite_member",
    Role.ADMIN,
    Answers(
        HTTPStatus.CREATED,
        Member,
        {HTTPStatus.CONFLICT: ("member_exists", "no_issuers", "too_many_members")},
        version=version_in,
        location=True,
        links=tuple(
            Link(operation, _ITS) for operation in ("read_member", "change_member", "remove_member")
        ),
    ),
    Takes(InvitationBody, examples={"a colleague": NEW_MEMBER}, key=True),
)
def invite(body: InvitationBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Invite a person by their e-mail address; nothing is sent to it.

    The person joins by a token of the issuer, which has to have verified the address, in a request
    that names this workspace in the header Syncline-Workspace. From then on issuer and subject tell
    who it is, and the address does not. An invitation ends after 14 days; who is invited again
    gets another one in its place.
    """
    row = invite_member(
        wiring().engine,
        principal(),
        issuers(),
        email=body.email,
        role=body.role,
        name=body.name,
        issuer=body.issuer,
        public_id=resource_id(),
    )
    location = url_for("members.read", member=row["public_id"])
    return _present(row), 201, {"Location": location}


@routes.on(
    "GET",
    "/members",
    "list_members",
    Role.ADMIN,
    Answers(HTTPStatus.OK, Members),
    Takes(query=PageQuery),
)
def browse(query: PageQuery) -> dict[str, Any]:
    """List the people of the workspace and who is invited, in the order of their invitations."""
    with single_statements(wiring().engine) as connection:
        rows = list_members(
            connection,
            principal().workspace_id,
            after_id=query.cursor or 0,
            limit=query.limit + 1,
        )
    return page(rows, query.limit, _present)


@routes.on(
    "GET",
    "/members/<uuid:member>",
    "read_member",
    Role.ADMIN,
    Answers(HTTPStatus.OK, Member, version=version_in),
)
def read(member: uuid.UUID) -> dict[str, Any]:
    """Read one member."""
    with single_statements(wiring().engine) as connection:
        return _present(require_member(connection, principal(), member))


@routes.on(
    "PATCH",
    "/members/<uuid:member>",
    "change_member",
    Role.ADMIN,
    Answers(HTTPStatus.OK, Member, {HTTPStatus.CONFLICT: ("last_admin",)}, version=version_in),
    Takes(MemberChangesBody, examples={"another role": NEW_ROLE}, premise=True),
)
def change(member: uuid.UUID, body: MemberChangesBody) -> dict[str, Any]:
    """Change name or role of a member; the next request goes by the new role."""
    changes = body.model_dump(exclude_unset=True)
    row = change_member(wiring().engine, principal(), issuers(), member, changes, premise=premise())
    return _present(row)


@routes.on(
    "DELETE",
    "/members/<uuid:member>",
    "remove_member",
    Role.ADMIN,
    Answers(HTTPStatus.NO_CONTENT, problems={HTTPStatus.CONFLICT: ("last_admin",)}),
    Takes(query=RemovalQuery, premise=True),
)
def remove(member: uuid.UUID, query: RemovalQuery) -> tuple[str, int]:
    """Remove a member, or take an invitation back: the next request of theirs is refused.

    The API keys that they made stay, since programs may need them, unless all are to be revoked.
    """
    remove_member(
        wiring().engine,
        principal(),
        issuers(),
        member,
        is_revoking_keys=query.keys == "revoke",
        premise=premise(),
    )
    return "", 204


def _present(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["public_id"]),
        "email": row["email"],
        "issuer": row["issuer"],
        "name": row["name"],
        "role": row["role"],
        "version": row["version"],
        "invited_by": maker(row["invited_by"], row["invited_by_id"]),
        "invited_at": instant(row["invited_at"]),
        "invitation_ends_at": instant(invitation_end(row["invited_at"], row["joined_at"])),
        "joined_at": instant(row["joined_at"]),
        "last_used_at": instant(row["last_used_at"]),
    }
