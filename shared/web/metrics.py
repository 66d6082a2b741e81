"""/metrics: the figures of the deployment for Prometheus, for operators alone."""

import hmac
from http import HTTPStatus

from flask import Response, current_app, request

from shared.errors import UnauthenticatedError
from shared.flow.health import DeploymentFigures
from shared.web.auth import wiring
from shared.web.operations import ANYONE, DATABASE_PROBLEMS, Answers, Takes
from shared.web.routes import Routes

routes = Routes("metrics", "", tag="Health")

_FIGURES = "syncline_figures"


@routes.on(
    "GET",
    "/metrics",
    "read_metrics",
    ANYONE,
    Answers(HTTPStatus.OK, problems=DATABASE_PROBLEMS, media_type="text/plain"),
    Takes(operator_token=True),
)
def scrape() -> Response:
    """Tell the figures of the deployment in Prometheus's form.

    Needs the operator's token, which is no workspace's: Authorization: Bearer.
    """
    _require_operator()
    figures: DeploymentFigures = current_app.extensions.setdefault(_FIGURES, DeploymentFigures())
    readings = figures.read(wiring().engine)
    # Most instances of the api are never scraped: they start without the library.
    from shared.web.exposition import CONTENT_TYPE, expose  # noqa: PLC0415

    return Response(expose(readings), content_type=CONTENT_TYPE)


def _require_operator() -> None:
    token = wiring().settings.metrics_token
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    given = text.strip().encode(errors="surrogateescape")
    is_known = token is not None and hmac.compare_digest(given, token.encode())
    if scheme.lower() != "bearer" or not is_known:
        raise UnauthenticatedError(
            "Metrics need the operator's token: Authorization: Bearer, with what"
            " SYNCLINE_METRICS_TOKEN says."
        )
