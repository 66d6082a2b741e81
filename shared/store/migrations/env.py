"""How Alembic runs our migrations: in one transaction, one migrator at a time."""

from dataclasses import replace
from datetime import timedelta

from alembic import context
from sqlalchemy import text

from shared.store.engine import PATIENT, create_engine_for
from shared.store.tables import metadata

# A migration may take longer than a request, and waits for another one as long as that takes: the
# server sets it no deadline, and we hang up only on one that must be gone.
_DEADLINES = replace(PATIENT, answer=timedelta(hours=6))
_NO_DEADLINES = (
    "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('syncline.migrations', 0))"


def run() -> None:
    """Connect with the URL that the caller put into the configuration and migrate."""
    url = context.config.attributes["url"]
    engine = create_engine_for(url, pool_size=1, deadlines=_DEADLINES, is_operator=True)
    try:
        with engine.begin() as connection:
            connection.execute(text(_NO_DEADLINES))
            connection.execute(text(_LOCK))
            context.configure(connection=connection, target_metadata=metadata)
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engine.dispose()


run()
