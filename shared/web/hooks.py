"""/hooks/{hook}: where sources report that something changed."""

import uuid
from http import HTTPStatus
from typing import Any

from flask import current_app, request

from shared.flow.hooks import HookDesk, receive_hook
from shared.web.auth import wiring
from shared.web.intake import read_bytes
from shared.web.operations import ANYONE, DATABASE_PROBLEMS, Answers, Takes
from shared.web.routes import Routes
from shared.web.shapes.hooks import HookAnswer

routes = Routes("hooks", "/hooks", tag="Webhooks")

_DESK = "syncline_hook_desk"


@routes.on(
    "POST",
    "/<uuid:hook>",
    "receive_hook",
    ANYONE,
    Answers(
        HTTPStatus.OK,
        HookAnswer,
        {
            HTTPStatus.UNAUTHORIZED: ("hook_refused",),
            HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited",),
            **DATABASE_PROBLEMS,
        },
    ),
    Takes(
        is_raw=True,
        headers={
            "webhook-id": "The message's own id: a repeat of it is answered and does nothing.",
            "webhook-timestamp": "When it was sent, in seconds since 1970.",
            "webhook-signature": "`v1,` and the signature in base64; several are apart by spaces.",
        },
    ),
)
def receive(hook: uuid.UUID) -> dict[str, Any]:
    """Take a message in which a source says that something changed.

    It is signed as Standard Webhooks say (webhook-id, webhook-timestamp, webhook-signature), or has
    the endpoint's secret in the header that was chosen for it. Its body, of any type and up to
    1 MiB, is looked at for the signature and kept nowhere.
    """
    receipt = receive_hook(_desk(), hook, _header, read_bytes())
    return {"result": receipt.result, "waits_for": receipt.waits_for}


def _header(name: str) -> str:
    return request.headers.get(name, "")


def _desk() -> HookDesk:
    """Return what this instance receives messages with, made once for its opened secrets."""
    desk = current_app.extensions.get(_DESK)
    if desk is None:
        parts = wiring()
        desk = HookDesk(
            engine=parts.engine,
            open_queue=parts.open_queue,
            key=lambda: parts.key,
            look_ahead=parts.settings.look_ahead,
            window=parts.settings.hook_window,
            per_minute=parts.settings.hooks_per_minute,
        )
        desk = current_app.extensions.setdefault(_DESK, desk)
    return desk
