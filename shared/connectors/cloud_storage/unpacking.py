"""What lies between the bytes of a text file and its lines: gzip, and encodings of two bytes."""

import codecs
import gzip
import io
import zlib
from typing import cast

from shared.connectors.cloud_storage.store import unreadable_file
from shared.connectors.cloud_storage.stream_config import Encoding

GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 256 * 1024
_HARMLESS_BYTES = 256 * 1024 * 1024
_MOST_GROWTH = 200
"""Text that repeats itself a lot grows a hundredfold when it is unpacked; zeros a thousandfold."""


class Gunzipped(io.RawIOBase):
    """The unpacked bytes of a gzip file, of one member or many.

    Raises `PermanentError` for a file that is damaged, cut short, or made to grow without measure.
    """

    def __init__(self, packed: io.BufferedReader, path: str) -> None:
        super().__init__()
        self._packed = packed
        self._unpacked = gzip.GzipFile(fileobj=packed, mode="rb")
        self._path = path
        self._count = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer as far as one read goes; return 0 at the end."""
        view = cast("memoryview", buffer)
        try:
            piece = self._unpacked.read(min(len(view), _PIECE))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise unreadable_file(self._path, "is damaged, or no whole gzip file") from error
        self._count += len(piece)
        if self._count > _HARMLESS_BYTES + _MOST_GROWTH * self._packed.tell():
            raise unreadable_file(
                self._path, f"grows more than {_MOST_GROWTH} times when it is unpacked"
            )
        view[: len(piece)] = piece
        return len(piece)


class Transcoded(io.RawIOBase):
    """Text of an encoding whose line ends are not single bytes, as UTF-8.

    What is not valid in it is not valid UTF-8 either.
    """

    def __init__(self, raw: io.BufferedReader, encoding: Encoding) -> None:
        super().__init__()
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding.value)("surrogatepass")
        self._ready = b""
        self._is_over = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer as far as what is decoded goes; return 0 at the end."""
        while not self._ready and not self._is_over:
            self._decode()
        view = cast("memoryview", buffer)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _decode(self) -> None:
        piece = self._raw.read(_PIECE)
        self._is_over = not piece
        try:
            text = self._decoder.decode(piece, final=self._is_over)
        except UnicodeDecodeError:
            self._is_over = True
            text = "\udcff"
        self._ready = text.encode(errors="surrogatepass")


def unpacked(opened: io.BufferedReader, path: str, encoding: Encoding) -> io.BufferedReader:
    """Return the bytes of a text file's lines, unpacked if they are packed."""
    if opened.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
        opened = io.BufferedReader(Gunzipped(opened, path), _PIECE)
    if encoding in (Encoding.UTF_16, Encoding.UTF_16_LE, Encoding.UTF_16_BE):
        opened = io.BufferedReader(Transcoded(opened, encoding), _PIECE)
    return opened
