"""The logins of the functions on the local PostgreSQL: one each, a member of its one role."""

from infra.local.package import FUNCTIONS
from infra.local.postgres import PostgresServer
from shared.store.tenancy import role_of


def login_of(function: str) -> str:
    """Return the name of a function's login."""
    return f"syncline_login_{function}"


def make_logins(postgres: PostgresServer) -> None:
    """Make the logins that are missing; the migrations have made the roles."""
    for function in FUNCTIONS:
        postgres.create_login(login_of(function), role_of(function))
