"""/api/v2/me: which workspaces a caller has, before they choose one."""

from http import HTTPStatus
from typing import Any

from shared.web.auth import homes
from shared.web.operations import VERIFIED, Answers
from shared.web.routes import Routes
from shared.web.shapes.callers import Homes

routes = Routes("homes", "/api/v2", tag="Callers")


@routes.on("GET", "/me", "list_own_workspaces", VERIFIED, Answers(HTTPStatus.OK, Homes))
def browse() -> dict[str, Any]:
    """List the workspaces that you joined or are invited to, up to 100; a key has one.

    It needs no header Syncline-Workspace: send the id of one of these there.
    """
    kind, found = homes()
    return {
        "kind": kind,
        "workspaces": [
            {
                "id": str(home.id),
                "slug": home.slug,
                "name": home.name,
                "role": home.role,
                "is_joined": home.is_joined,
                "is_disabled": home.is_disabled,
            }
            for home in found
        ],
    }
