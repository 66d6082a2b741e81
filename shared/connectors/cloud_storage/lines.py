"""The lines of a text file, none of which can fill the memory."""

import codecs
import io
from typing import Self

from shared.connectors.cloud_storage.stream_config import Encoding

LONGEST_RECORD = 8 * 1024 * 1024
"""Bytes. A record that goes on for longer is none, or has a quote that nobody closes."""

_AS_UTF_8 = frozenset({Encoding.UTF_8, Encoding.UTF_16, Encoding.UTF_16_LE, Encoding.UTF_16_BE})


class RecordTooLongError(Exception):
    """A record has more than `LONGEST_RECORD` bytes; reading goes on with the line behind it."""


class Lines:
    """Lines with their ends, as text. `begin` begins a record, which may have several.

    Of a line that is not valid in its encoding `is_broken` tells.
    """

    def __init__(self, opened: io.BufferedReader, encoding: Encoding, offset: int = 0) -> None:
        self._opened = opened
        self._codec = "utf-8" if encoding in _AS_UTF_8 else encoding.value
        self.offset = offset
        """Where the next line begins, in bytes of what is `opened`, if reading began there."""
        self.record_bytes = 0
        self.is_broken = False

    def begin(self) -> None:
        """Begin a record."""
        self.record_bytes = 0
        self.is_broken = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._opened.readline(LONGEST_RECORD + 1)
        if not line:
            raise StopIteration
        is_first = self.offset == 0
        self.offset += len(line)
        self.record_bytes += len(line)
        if self.record_bytes > LONGEST_RECORD:
            self._pass_over(line)
            raise RecordTooLongError
        if is_first and self._codec == "utf-8":
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return line.decode(self._codec)
        except UnicodeDecodeError:
            self.is_broken = True
            return line.decode(self._codec, errors="replace")

    def _pass_over(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._opened.readline(LONGEST_RECORD)
            self.offset += len(line)
