"""A browser that brings a state back: the callback finds its workspace by it, and nothing else."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from shared.store.engine import create_engine_for, single_statements
from shared.store.oauth_states import find_workspace_of_state
from shared.store.tenancy import DatabaseRole, returning, role_of, speaking_for
from shared.store.violations import violation_of
from tests.conftest import DatabaseUrlOf
from tests.store.tenants import TENANT_TABLES, fill_workspace


def test_whoever_returns_with_a_state_sees_its_authorization_and_nothing_else(
    engine: Engine, database_url_of: DatabaseUrlOf
) -> None:
    alice, mallory = fill_workspace(engine), fill_workspace(engine)
    query = text("SELECT state_hash FROM oauth_state WHERE workspace_id = :w")
    with engine.connect() as connection:
        state_hash = connection.execute(query, {"w": alice}).scalar_one()
    callback = create_engine_for(database_url_of("oauth_callback"), role=role_of("oauth_callback"))
    with single_statements(returning(callback, state_hash)) as connection:
        assert find_workspace_of_state(connection, state_hash) == alice
        use = text("UPDATE oauth_state SET used_at = now()")
        assert connection.execute(use).rowcount == 0
        for table in sorted(set(TENANT_TABLES) - {"audit_head", "oauth_state"}):
            rows = text(f"SELECT count(*) FROM {table}")
            assert connection.execute(rows).scalar_one() == 0, table
    for other in (callback, returning(callback, b"\x00" * 32), speaking_for(callback, mallory)):
        with single_statements(other) as connection:
            assert find_workspace_of_state(connection, state_hash) is None
    callback.dispose()


@pytest.mark.parametrize("column", ["state_hash", "expires_at", "ciphertext", "redirect_uri"])
def test_of_a_state_nothing_can_be_changed_but_that_it_was_used(
    engine: Engine, database_url_of: DatabaseUrlOf, column: str
) -> None:
    workspace = fill_workspace(engine)
    callback = create_engine_for(database_url_of("oauth_callback"), role=DatabaseRole.APP)
    with single_statements(speaking_for(callback, workspace)) as connection:
        assert connection.execute(text("UPDATE oauth_state SET used_at = now()")).rowcount == 1
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text(f"UPDATE oauth_state SET {column} = DEFAULT"))
    callback.dispose()
    assert violation_of(refused.value).sqlstate == "42501"
