"""How Alembic runs our migrations: each in a transaction of its own, one migrator at a time."""

import logging
import time
from dataclasses import replace
from datetime import timedelta

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.logs import log_event
from shared.store.engine import PATIENT, create_engine_for
from shared.store.migrations.tenancy import name_owner_in_policies
from shared.store.tables import metadata
from shared.store.troubles import Trouble, trouble_of

_log = logging.getLogger(__name__)
# A migration may take longer than a request: the server sets its statements no deadline, and we
# hang up only on one that must be gone. But whoever serves waits behind a lock that a migration
# waits for: it gives up before a deadlock would be looked for, and is tried again.
_DEADLINES = replace(
    PATIENT,
    statement=timedelta(0),
    answer=timedelta(hours=6),
    lock=timedelta(milliseconds=800),
)
_TRIES = 100
_PAUSE_SECONDS = 1.0
# Of the session, since transactions end between migrations. Not waited for: an index that is built
# beside its table's writers waits for every statement under way, and so for who waited for it.
_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('syncline.migrations', 0))")


def run() -> None:
    """Connect with the URL that the caller put into the configuration and migrate."""
    url = context.config.attributes["url"]
    engine = create_engine_for(url, pool_size=1, deadlines=_DEADLINES, is_operator=True)
    try:
        with engine.connect() as connection:
            _wait_for_other_migrators(connection)
            _migrate(connection)
    finally:
        engine.dispose()


def _wait_for_other_migrators(connection: Connection) -> None:
    while True:
        is_alone = connection.execute(_TRY_LOCK).scalar_one()
        connection.commit()
        if is_alone:
            return
        time.sleep(_PAUSE_SECONDS)


def _migrate(connection: Connection) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            context.configure(
                connection=connection, target_metadata=metadata, transaction_per_migration=True
            )
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
            with connection.begin():
                name_owner_in_policies(connection)
        except DBAPIError as error:
            connection.rollback()
            if tries_left == 0 or trouble_of(error) is not Trouble.BUSY:
                raise
            log_event(
                _log,
                logging.WARNING,
                "migration_waits",
                "Others hold what a migration needs; it is tried again",
                tries_left=tries_left,
            )
            time.sleep(_PAUSE_SECONDS)
        else:
            return


run()
