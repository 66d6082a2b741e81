"""Open the store that a connector's URL names."""

from typing import assert_never

from shared.connectors.base import SourceAccess
from shared.connectors.cloud_storage.azure import AzureStore
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.folder import FolderStore
from shared.connectors.cloud_storage.gcs import GcsStore
from shared.connectors.cloud_storage.s3 import S3Store
from shared.connectors.cloud_storage.store import Store
from shared.connectors.cloud_storage.urls import Scheme


def open_store(config: CloudStorageConfig, access: SourceAccess) -> Store:
    """Return the store, with no call made yet; raise `PermanentError` if it cannot be one."""
    location = config.location
    match location.scheme:
        case Scheme.S3:
            return S3Store(config, access.guard, access.lines)
        case Scheme.GCS:
            return GcsStore(config, access.guard, access.lines)
        case Scheme.AZURE:
            return AzureStore(config, access.guard, access.lines)
        case Scheme.FILE:
            return FolderStore(access.files, location.prefix)
        case _:
            assert_never(location.scheme)
