"""The connector that keeps books, for a worker that serves in threads, with trouble on demand."""

import threading
from collections.abc import Callable, Mapping
from uuid import UUID

from shared.connectors.base import ConfirmLease, HasTime, SyncRequest, SyncResult
from shared.flow import attempt as attempt_flow
from shared.flow import sources
from shared.flow import sync as sync_flow
from tests.faults.ledger_connector import LedgerConnector

Trouble = Callable[[SyncRequest, ConfirmLease], SyncResult | None]
"""Comes before a sync: the connector raises what it raises, and returns what it returns, if any."""


def no_trouble(_request: SyncRequest, _confirm_lease: ConfirmLease) -> None:
    """Let every sync go well."""


class Troubles:
    """What the first sync of each connector raises or returns, before the others go well."""

    def __init__(self, firsts: Mapping[UUID, Exception | SyncResult]) -> None:
        self._firsts = dict(firsts)

    def __call__(self, request: SyncRequest, _confirm_lease: ConfirmLease) -> SyncResult | None:
        """Raise or return what is in store for the connector's first sync; None later."""
        first = self._firsts.pop(request.connector_id, None)
        if isinstance(first, Exception):
            raise first
        return first


class _Books(threading.local):
    """The connector of a thread: where a worker works, it notes the fence under which it does."""

    def __init__(self) -> None:
        self.ledger = LedgerConnector()


class TroubledConnector(LedgerConnector):
    """Keeps books, once its trouble lets it."""

    def __init__(self, trouble: Trouble, fence: int) -> None:
        super().__init__()
        self.fence = fence
        self._trouble = trouble

    def sync(self, request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
        """Meet the trouble, then sync."""
        result = self._trouble(request, confirm_lease)
        return super().sync(request, confirm_lease) if result is None else result


def install(patch: Callable[[object, str, object], None], trouble: Trouble) -> None:
    """Let every connector type be this one; `patch` sets an attribute of a module."""
    books = _Books()
    run_sync = attempt_flow.run_sync

    def run_with_own_books(
        job: sync_flow.SyncJob, confirm_lease: ConfirmLease, has_time: HasTime
    ) -> sync_flow.Finished | None:
        books.ledger = TroubledConnector(trouble, job.facts["fence"])
        return run_sync(job, confirm_lease, has_time)

    def connector_of_thread(_slug: str) -> LedgerConnector:
        return books.ledger

    patch(sources, "connector_type", connector_of_thread)
    patch(attempt_flow, "run_sync", run_with_own_books)
