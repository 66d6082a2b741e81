"""The connector type `xledger`: Xledger's GraphQL API."""

from shared.connectors.folder_type import FolderType
from shared.connectors.xledger.config import XledgerConfig

CONNECTOR_TYPE = FolderType(__name__, XledgerConfig)
