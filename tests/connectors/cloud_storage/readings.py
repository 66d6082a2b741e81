"""Read one file as a sync does, without loading it anywhere."""

from dataclasses import dataclass
from typing import Any

from shared.connectors.cloud_storage.folder import FolderStore
from shared.connectors.cloud_storage.formats import open_reader
from shared.connectors.cloud_storage.records import FilePage, FileReader, Place
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.cloud_storage.stream_config import StreamConfig
from shared.connectors.cloud_storage.unreadable import UnreadableRecords
from shared.egress.files import FilesRoot
from tests.connectors.cloud_storage.drop import Folder, stream_config


@dataclass(slots=True)
class Reading:
    """A file of a folder, as a stream reads it."""

    reader: FileReader
    unreadable: UnreadableRecords

    def pages(self, start: Place | None = None) -> list[FilePage]:
        return list(self.reader.pages(start or Place()))

    def records(self, start: Place | None = None) -> list[dict[str, Any]]:
        """Return the records that can be read, with their numbers."""
        found = [record for page in self.pages(start) for record in page.records]
        return [record for record in found if isinstance(record, dict)]

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the values of the records, their number last."""
        return [tuple(record.values()) for record in self.records()]

    def broken(self) -> list[str]:
        """Return the reasons why records could not be read, once each."""
        return list(self.unreadable.told())


def stored(folder: Folder, path: str) -> StoredFile:
    with FolderStore(FilesRoot(folder.root), "") as store:
        return next(file for page in store.pages("") for file in page if file.path == path)


def reading(folder: Folder, path: str, content: bytes | str, **stream: Any) -> Reading:
    """Return a file with this content, to be read by a stream with these settings."""
    folder.put(path, content)
    config = StreamConfig.model_validate(stream_config(**stream))
    store = FolderStore(FilesRoot(folder.root), "")
    unreadable = UnreadableRecords("orders")
    return Reading(open_reader(store, stored(folder, path), config, unreadable), unreadable)
