"""A workspace that operators' commands name by its slug."""

import pytest
from sqlalchemy import Engine, text

from tests.factories import Tenant, make_tenant


@pytest.fixture
def tenant(engine: Engine) -> Tenant:
    return make_tenant(engine)


@pytest.fixture
def slug(engine: Engine, tenant: Tenant) -> str:
    with engine.connect() as connection:
        query = text("SELECT slug FROM workspace WHERE id = :id")
        return connection.execute(query, {"id": tenant.workspace_id}).scalar_one()
