"""The connector type `database`: tables of a PostgreSQL, MySQL or MariaDB server."""

from dataclasses import dataclass

from shared.connectors.base import ConfirmLease, ConnectorType, SyncRequest, SyncResult
from shared.connectors.database.config import DatabaseConfig


@dataclass(frozen=True, slots=True)
class DatabaseConnector:
    """Reads tables, incrementally by a cursor column, and merges them by primary key."""

    slug: str = "database"
    config_model: type[DatabaseConfig] = DatabaseConfig

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        # dlt takes two seconds to import, and only a worker needs it.
        from shared.connectors.database.sync import sync_database  # noqa: PLC0415

        return sync_database(request, confirm_lease)


CONNECTOR_TYPE: ConnectorType = DatabaseConnector()
