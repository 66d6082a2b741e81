"""Read the files of a stream one after the other, until they end or the slice does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.connectors.cloud_storage.formats import open_reader
from shared.connectors.cloud_storage.hints import hints_of
from shared.connectors.cloud_storage.landing import Landing
from shared.connectors.cloud_storage.listing import list_files, order_of
from shared.connectors.cloud_storage.marks import Mark, name_of
from shared.connectors.cloud_storage.position import Stop, Within, write_stop
from shared.connectors.cloud_storage.records import FilePage
from shared.connectors.cloud_storage.store import FileChangedError, FileGoneError, Store, StoredFile
from shared.connectors.cloud_storage.stream_config import FILE, MODIFIED_AT, StreamConfig
from shared.connectors.cloud_storage.unreadable import UnreadableRecords
from shared.connectors.positions import finished
from shared.connectors.progress import StreamProgress


class FilesReading:
    """What one slice reads of one stream, and what it learns on the way."""

    def __init__(
        self,
        config: StreamConfig,
        identity: str,
        mark: Mark | None,
        stop: Stop,
        progress: StreamProgress,
    ) -> None:
        self.columns: dict[str, Any] = {}
        """dlt's hints, filled before the first page comes out."""
        self.read: dict[str, datetime] = {}
        """The files that were read to their ends, in this slice or before, by name and time."""
        self.files_read = 0
        self.files_gone = 0
        self.unreadable = UnreadableRecords(config.name)
        self.mark = mark
        self.progress = progress
        self.config = config
        self._identity = identity
        self._stop = stop
        self._landing = Landing(config.name, stop.kinds)

    @property
    def has_news(self) -> bool:
        """Tell whether files were read that the mark does not know, and there is a mark."""
        return self.mark is not None and self.files_read > 0

    def pages(self, store: Store) -> Iterator[list[Any]]:
        """Yield the records in pages, and tell the progress how far they go.

        A file that is gone when its turn comes is passed over. Raises `PermanentError` for one that
        cannot be read, and `TransientError`.
        """
        listing = list_files(store, self.config, self.mark, self._stop.done)
        self.read.update(listing.known)
        for file in listing.files:
            try:
                yield from self._pages_of(store, file)
            except FileGoneError:
                self.files_gone += 1
            except FileChangedError:
                self._go_back()
                raise
            if self.progress.has_more:
                return
            self._stop = replace(self._stop, done=order_of(file), within=None)
        if listing.has_more:
            self._leave()
        else:
            self.progress.finish(finished(self._identity))

    def _pages_of(self, store: Store, file: StoredFile) -> Iterator[list[Any]]:
        reader = open_reader(store, file, self.config, self.unreadable)
        for page in reader.pages(self._stop.start_in(file)):
            # Asked before each page but the first: a slice gets on.
            if self._landing.is_settled and not self.progress.goes_on():
                self._leave()
                return
            if not self._landing.takes(page.kinds):
                self._leave()
                return
            yield self._handed_over(file, page)
        self.read[name_of(file)] = file.modified_at
        self.files_read += 1

    def _handed_over(self, file: StoredFile, page: FilePage) -> list[Any]:
        if not self.columns:
            self.columns.update(hints_of(self._landing.wanted, self.config))
        self._landing.land(page.records, page.kinds)
        for record in page.records:
            if isinstance(record, dict):
                record[FILE] = file.path
                record[MODIFIED_AT] = file.modified_at
        self.progress.observe([{MODIFIED_AT: file.modified_at}] * len(page.records))
        within = Within(file.path, file.version, page.behind)
        self._stop = replace(self._stop, within=within, kinds=self._landing.wanted)
        self.progress.can_go_on(write_stop(self._identity, self._stop))
        return list(page.records)

    def _go_back(self) -> None:
        """Let reading go on before the file that is being read, if others came before it.

        Otherwise the slice did not get on, and the next attempt comes later: a file that changes
        all the time would be begun again and again.
        """
        self.progress.observe([])  # it cannot go on behind the page before
        if self.files_read:
            stop = replace(self._stop, within=None, kinds=self._landing.wanted)
            self.progress.can_go_on(write_stop(self._identity, stop))

    def _leave(self) -> None:
        stop = replace(self._stop, kinds=self._landing.wanted)
        self.progress.stop(write_stop(self._identity, stop))
