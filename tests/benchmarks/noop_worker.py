"""The worker with a connector that does nothing, as a function for `start_lag`."""

from pydantic import BaseModel

from functions.worker.main import worker
from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.flow import sources


class _AnyConfig(BaseModel):
    model_config = {"extra": "allow"}


class _Noop:
    slug = "noop"
    config_model = _AnyConfig

    def sync(self, _request: SyncRequest, _confirm_lease: ConfirmLease) -> SyncResult:
        return SyncResult(0, 0, 0, 0, ())


sources.connector_type = lambda _slug: _Noop()

__all__ = ["worker"]
