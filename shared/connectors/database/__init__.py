"""The connector type `database`: tables of PostgreSQL, MySQL, MariaDB, SQL Server or SQLite."""

from shared.connectors.database.config import DatabaseConfig
from shared.connectors.folder_type import FolderType

CONNECTOR_TYPE = FolderType(__name__, DatabaseConfig)
