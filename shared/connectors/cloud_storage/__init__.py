"""The connector type `cloud_storage`: files in S3, Google Cloud Storage, Azure, or a folder."""

from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.folder_type import FolderType

CONNECTOR_TYPE = FolderType(__name__, CloudStorageConfig)
