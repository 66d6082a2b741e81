"""The connector type `bufdir`: a report of a dataset's rows, sent once for each period."""

from shared.connectors.bufdir.config import BufdirConfig
from shared.connectors.folder_type import FolderType

CONNECTOR_TYPE = FolderType(__name__, BufdirConfig)
