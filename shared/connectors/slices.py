"""How much one slice of a run may read: by time over all of its streams, by bytes in each."""

from collections.abc import Callable
from pathlib import Path

from shared.connectors.base import HasTime

FOLDER_BYTES = 128 * 1024 * 1024
"""How much a stream may leave in its working folder before it is loaded. Files are memory on Cloud
Run, and preparing them for the load takes about as much again."""


class SliceTime:
    """Tells the streams of a slice, one after the other, whether to go on.

    A slice always gets on: until it has read a page, or come to the end of a stream, there is time.
    """

    def __init__(self, has_time: HasTime) -> None:
        self._has_time = has_time
        self._got_on = False
        self._is_over = False

    def got_on(self) -> None:
        """Take note that a page was read, or that a stream has no more."""
        self._got_on = True

    def goes_on(self) -> bool:
        """Tell whether to read on; a no is final. Raises `LeaseLostError` with the lease."""
        if not self._got_on:
            return True
        # Asked even when the answer is known, since a slice that cannot stop yet has to be told
        # that its lease is gone.
        has_time = self._has_time()
        self._is_over = self._is_over or not has_time
        return not self._is_over


class StreamTime:
    """What one stream of a slice may take: the slice's time, and room of its own."""

    def __init__(self, slice_time: SliceTime, has_room: Callable[[], bool] = lambda: True) -> None:
        self._slice_time = slice_time
        self._has_room = has_room

    def got_on(self) -> None:
        """Take note that a page was read, or that the stream has no more."""
        self._slice_time.got_on()

    def goes_on(self) -> bool:
        """Tell whether to read on; raises `LeaseLostError` with the lease."""
        return self._slice_time.goes_on() and self._has_room()


def has_room(folder: Path) -> bool:
    """Tell whether the files in a stream's working folder leave room for another page."""
    sizes = (file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return sum(sizes) < FOLDER_BYTES
