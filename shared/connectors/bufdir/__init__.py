"""The connector type `bufdir`: a report of a dataset's rows, sent once for each period."""

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
from shared.connectors.bufdir.config import BufdirConfig


@dataclass(frozen=True, slots=True)
class BufdirConnector:
    """Sends the rows of a period to the configured endpoint, and keeps its receipts."""

    slug: str = "bufdir"
    config_model: type[BufdirConfig] = BufdirConfig

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Look whether a report could be sent; nothing is."""
        # The HTTP client and the driver take a while to import, and only a look needs them.
        from shared.connectors.bufdir.look import check_bufdir  # noqa: PLC0415

        return check_bufdir(access)

    def streams(self, access: SourceAccess) -> Sequence[SourceStream]:
        """Return the report, with the columns that it sends."""
        from shared.connectors.bufdir.look import offered_streams  # noqa: PLC0415

        return offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Send what is due; raise `TransientError` or `PermanentError`."""
        from shared.connectors.bufdir.sync import sync_bufdir  # noqa: PLC0415

        return sync_bufdir(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a run needs."""
        import_module("shared.connectors.bufdir.sync")


CONNECTOR_TYPE: ConnectorType = BufdirConnector()
