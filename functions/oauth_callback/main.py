"""The OAuth callback: a provider sends the browser here after a person agreed or refused."""

import functions_framework
from flask import Request

from shared.edge import Answer
from shared.wiring import wire


@functions_framework.http
def oauth_callback(_request: Request) -> Answer:
    """Refuse every authorization: no connector type of this deployment asks for one."""
    wire("oauth_callback")
    return {"code": "unknown_state", "detail": "Nobody asked for this authorization."}, 400
