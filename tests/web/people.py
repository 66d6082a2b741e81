"""People who call with tokens, and the invitations that let them."""

from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.issuer import Issuer
from tests.web.conftest import Caller

MEMBERS = "/api/v2/workspace/members"
ME = "/api/v2/workspace/me"


@dataclass
class Person:
    """Somebody whose tokens say of them what `claims` say."""

    client: FlaskClient
    issuer: Issuer
    claims: dict[str, Any] = field(default_factory=dict)

    def call(self, path: str = ME, home: str | None = None, method: str = "GET") -> TestResponse:
        """Call with a new token; `home` is the workspace that is named."""
        return self.show(self.issuer.token(**self.claims), path, home, method)

    def show(
        self, token: str, path: str = ME, home: str | None = None, method: str = "GET"
    ) -> TestResponse:
        """Call with a token as it is."""
        headers = {"Authorization": f"Bearer {token}"}
        if home is not None:
            headers["Syncline-Workspace"] = home
        return self.client.open(path, method=method, headers=headers)

    def join(self, admin: Caller, role: str = "viewer") -> str:
        """Let an admin invite the person, and join; return the workspace."""
        home = workspace_of(admin)
        invite(admin, email=self.issuer.claims(**self.claims)["email"], role=role)
        assert self.call(home=home).status_code == 200
        return home


def workspace_of(caller: Caller) -> str:
    return caller.get("/api/v2/workspace").json["id"]


def invite(admin: Caller, **values: object) -> dict:
    answer = admin.post(MEMBERS, {"email": "carol@example.com", "role": "viewer", **values})
    assert answer.status_code == 201, answer.text
    return answer.json


def code_of(answer: TestResponse) -> tuple[int, str]:
    """Return status and code of a refusal."""
    body = answer.json
    errors = body.get("errors")
    return answer.status_code, errors[0]["code"] if errors else body["code"]
