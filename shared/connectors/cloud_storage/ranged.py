"""A stored file as a file of Python's: read in parts as it is asked for, and never as a whole."""

import io
from typing import cast

from shared.connectors.cloud_storage.store import Store, StoredFile

BLOCK_BYTES = 4 * 1024 * 1024
"""How much one call reads: large enough to be quick, small enough to be over soon."""


class RangedFile(io.RawIOBase):
    """Reads a file of a store; each part comes from the version that was listed, or fails."""

    def __init__(self, store: Store, file: StoredFile) -> None:
        super().__init__()
        self._store = store
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read from."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read on at another place."""
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}
        self._place = max(0, bases[whence] + offset)
        return self._place

    def readinto(self, buffer: object) -> int:
        """Fill a buffer, by as many calls as that takes; return how much there was."""
        view = cast("memoryview", buffer)
        wanted = max(0, min(len(view), self._file.size - self._place))
        filled = 0
        while filled < wanted:
            count = min(BLOCK_BYTES, wanted - filled)
            view[filled : filled + count] = self._store.read(self._file, self._place, count)
            filled += count
            self._place += count
        return filled


def buffered(store: Store, file: StoredFile, start: int = 0) -> io.BufferedReader:
    """Return a file to be read from `start` on, a block ahead."""
    ranged = RangedFile(store, file)
    ranged.seek(start)
    return io.BufferedReader(ranged, min(BLOCK_BYTES, max(1, file.size)))
