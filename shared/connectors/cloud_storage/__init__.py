"""The connector type `cloud_storage`: files in S3, Google Cloud Storage, Azure, or a folder."""

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
from shared.connectors.cloud_storage.config import CloudStorageConfig


@dataclass(frozen=True, slots=True)
class CloudStorageConnector:
    """Reads new and changed files, record by record, and merges them by primary key."""

    slug: str = "cloud_storage"
    config_model: type[CloudStorageConfig] = CloudStorageConfig

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """List the files of each stream and open the newest; return what cannot be read."""
        # Readers of formats take a while to import, and only a look at a source needs them.
        from shared.connectors.cloud_storage.look import check_files  # noqa: PLC0415

        return check_files(access)

    def streams(self, access: SourceAccess) -> Sequence[SourceStream]:
        """Return the streams that are configured, and those that other files suggest."""
        from shared.connectors.cloud_storage.look import offered_streams  # noqa: PLC0415

        return offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        # dlt takes two seconds to import, and only a worker needs it.
        from shared.connectors.cloud_storage.sync import sync_files  # noqa: PLC0415

        return sync_files(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a sync needs, dlt above all."""
        import_module("shared.connectors.cloud_storage.sync")


CONNECTOR_TYPE: ConnectorType = CloudStorageConnector()
