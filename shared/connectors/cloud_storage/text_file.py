"""A text file of a store, opened as lines from wherever reading can begin."""

from collections.abc import Generator
from contextlib import contextmanager

from shared.connectors.cloud_storage.lines import Lines
from shared.connectors.cloud_storage.ranged import buffered
from shared.connectors.cloud_storage.store import Store, StoredFile
from shared.connectors.cloud_storage.stream_config import Encoding
from shared.connectors.cloud_storage.unpacking import GZIP_MAGIC, unpacked

_OF_TWO_BYTES = frozenset({Encoding.UTF_16, Encoding.UTF_16_LE, Encoding.UTF_16_BE})


class TextFile:
    """A file of CSV or JSON lines. What begins as gzip does is unpacked, whatever its name."""

    def __init__(self, store: Store, file: StoredFile, encoding: Encoding) -> None:
        self.path = file.path
        self._store = store
        self._file = file
        self._encoding = encoding
        self._is_packed = self._begins_packed()

    @property
    def has_offsets(self) -> bool:
        """Tell whether reading can begin at any byte where a line does."""
        return not self._is_packed and self._encoding not in _OF_TWO_BYTES

    @contextmanager
    def lines(self, offset: int = 0) -> Generator[Lines]:
        """Open the file at an offset, which is 0 for a file without them."""
        with buffered(self._store, self._file, offset) as opened:
            yield Lines(
                unpacked(opened, self.path, self._encoding) if offset == 0 else opened,
                self._encoding,
                offset,
            )

    def _begins_packed(self) -> bool:
        count = min(len(GZIP_MAGIC), self._file.size)
        return count > 0 and self._store.read(self._file, 0, count) == GZIP_MAGIC
