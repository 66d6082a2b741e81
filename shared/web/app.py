"""The Flask application."""

from flask import Flask

from shared.web import (
    api_keys,
    audit_log,
    blackouts,
    bulk,
    connector_health,
    connector_types,
    connectors,
    datasets,
    docs,
    due,
    health,
    homes,
    hooks,
    look,
    members,
    metrics,
    oauth,
    preview,
    reports,
    run_exports,
    run_lists,
    run_retries,
    runs,
    schedules,
    upcoming,
    watermarks,
    webhook_endpoints,
    workspace,
)
from shared.web.audit_refusals import register_refusals
from shared.web.headers import register_headers
from shared.web.intake import MAX_BODY_BYTES
from shared.web.operations import operations_of
from shared.web.problems import register_problems
from shared.wiring import Wiring

_MODULES = (
    health,
    docs,
    blackouts,
    connector_health,
    connector_types,
    connectors,
    datasets,
    look,
    oauth,
    due,
    preview,
    reports,
    schedules,
    runs,
    watermarks,
    bulk,
    hooks,
    metrics,
    run_exports,
    run_lists,
    run_retries,
    upcoming,
    webhook_endpoints,
    workspace,
    api_keys,
    members,
    homes,
    audit_log,
)


def create_app(parts: Wiring) -> Flask:
    """Return the application on a deployment's wiring.

    Raises `ConfigurationError` for a route that was not declared, and so demands no role.
    """
    app = Flask("syncline", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1  # see read_bytes
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue]
    # A path is what it says: no redirects to another spelling of it.
    app.url_map.merge_slashes = False
    app.extensions["syncline"] = parts
    for module in _MODULES:
        app.register_blueprint(module.routes.blueprint)
    register_problems(app)
    register_headers(app)
    register_refusals(app)
    operations_of(app)
    return app
