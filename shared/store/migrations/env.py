"""How Alembic runs our migrations: in one transaction, one migrator at a time."""

from alembic import context
from sqlalchemy import text

from shared.store.engine import create_engine_for
from shared.store.tables import metadata

# A migration may take longer than a request, and waits for another one as long as that takes.
_NO_DEADLINES = (
    "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('syncline.migrations', 0))"


def run() -> None:
    """Connect with the URL that the caller put into the configuration and migrate."""
    engine = create_engine_for(context.config.attributes["url"], pool_size=1)
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
