"""The connector type `api`: any REST API that answers with JSON, by configuration."""

from shared.connectors.api.config import ApiConfig
from shared.connectors.folder_type import FolderType

CONNECTOR_TYPE = FolderType(__name__, ApiConfig)
