"""The logins of the functions on the local PostgreSQL: one each, a member of its one role."""

from sqlalchemy import make_url

from infra.local.package import FUNCTIONS
from infra.local.postgres import PostgresServer
from shared.store.tenancy import role_of


def login_of(function: str) -> str:
    """Return the name of a function's login."""
    return f"syncline_login_{function}"


def with_login(url: str, function: str) -> str:
    """Return the URL of a local database with the login of a function."""
    return make_url(url).set(username=login_of(function)).render_as_string(hide_password=False)


def make_logins(postgres: PostgresServer) -> None:
    """Make the logins that are missing; the migrations have made the roles."""
    for function in FUNCTIONS:
        postgres.create_login(login_of(function), role_of(function))
