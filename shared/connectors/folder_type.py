"""A connector type as the folder that it is: its config, how it looks, and how it syncs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from shared.connectors.base import (
    ConfirmLease,
    ConnectorConfig,
    Offer,
    SourceAccess,
    StreamFailure,
    SyncRequest,
    SyncResult,
)
from shared.late_imports import load


@dataclass(frozen=True, slots=True)
class FolderType:
    """The connector type of the package `folder`, whose name is its slug.

    The package has a module `look` with `check` and `offered_streams`, and a module `sync` with
    `sync`: the functions of `ConnectorType`. Each is imported when it is first asked for, since
    clients and drivers take a while to import, and dlt two seconds.
    """

    folder: str
    config_model: type[ConnectorConfig]

    @property
    def slug(self) -> str:
        """Return the name of the folder."""
        return self.folder.rpartition(".")[2]

    def check(self, access: SourceAccess) -> Sequence[StreamFailure]:
        """Prove cheaply that the config works; return what is wrong with single streams."""
        return self._look().check(access)

    def streams(self, access: SourceAccess) -> Offer:
        """Return what the source offers."""
        return self._look().offered_streams(access)

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Move what is new into the dataset; raise `TransientError` or `PermanentError`."""
        return self._sync().sync(request, confirm_lease)

    def warm_up(self) -> None:
        """Import what a sync needs, dlt above all."""
        self._sync()

    def _look(self) -> "_Look":
        return cast("_Look", load(f"{self.folder}.look"))

    def _sync(self) -> "_Sync":
        return cast("_Sync", load(f"{self.folder}.sync"))


class _Look(Protocol):
    def check(self, access: SourceAccess) -> Sequence[StreamFailure]: ...

    def offered_streams(self, access: SourceAccess) -> Offer: ...


class _Sync(Protocol):
    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult: ...
