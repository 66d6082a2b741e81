"""The OAuth callback: a provider sends the browser here after a person agreed or refused."""

import functions_framework
from flask import Request
from werkzeug.wrappers import Response

from shared.web.oauth_callback import answer_callback
from shared.wiring import wire


@functions_framework.http
def oauth_callback(request: Request) -> Response:
    """Finish an authorization, and tell the person what became of it."""
    return answer_callback(wire("oauth_callback"), request)
