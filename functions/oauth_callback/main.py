"""The OAuth callback: a provider sends the browser here after a person agreed or refused."""

import functions_framework
from flask import Request


@functions_framework.http
def oauth_callback(_request: Request) -> tuple[dict[str, str], int]:
    """Refuse every authorization: no connector type of this deployment asks for one."""
    return {"code": "unknown_state", "detail": "Nobody asked for this authorization."}, 400
