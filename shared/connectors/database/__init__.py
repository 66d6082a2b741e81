"""The connector type `database`: tables of PostgreSQL, MySQL or MariaDB, or of a SQLite file."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from shared.connectors.base import (
    ConfirmLease,
    ConnectorType,
    SourceAccess,
    SourceStream,
    StreamFailure,
    SyncRequest,
    SyncResult,
)
from shared.connectors.database.config import DatabaseConfig


@dataclass(frozen=True, slots=True)
class DatabaseConnector:
    """Reads tables, incrementally by a cursor column, and merges them by primary key."""

    slug: str = "database"
    config_model: type[DatabaseConfig] = DatabaseConfig

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Log in and look at each table; return the tables that cannot be read."""
        # Drivers take a while to import, and only a look at a source needs them.
        from shared.connectors.database.look import check_database  # noqa: PLC0415

        return check_database(access)

    def streams(self, access: SourceAccess) -> Sequence[SourceStream]:
        """Return the tables and views of the database."""
        from shared.connectors.database.look import offered_streams  # noqa: PLC0415

        return offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        # dlt takes two seconds to import, and only a worker needs it.
        from shared.connectors.database.sync import sync_database  # noqa: PLC0415

        return sync_database(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a sync needs, dlt above all."""
        import_module("shared.connectors.database.sync")


CONNECTOR_TYPE: ConnectorType = DatabaseConnector()
