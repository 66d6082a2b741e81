"""How long one slice of a run may read, over all of its streams."""

from shared.connectors.base import HasTime


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
