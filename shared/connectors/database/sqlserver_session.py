"""python-tds's session, which keeps no more of what a server sends than it has to."""

from typing import Any

from pytds import tds_base
from pytds.row_strategies import tuple_row_strategy
from pytds.tds_session import _TdsSession  # pyright: ignore[reportPrivateUsage] (there is no other way in)
from pytds.tds_writer import _TdsWriter  # pyright: ignore[reportPrivateUsage] (as above)

from shared.connectors.database.sqlserver_packets import TransportError
from shared.connectors.database.sqlserver_reader import CheckedReader

PACKET_BYTES = 16_000
"""Under TLS a packet may have 16,383."""
_FIRST_BYTES = 4_096
"""Bytes of a packet as long as nothing else has been agreed on."""
_MOST_MESSAGES = 100


class CheckedWriter(_TdsWriter):
    """Writes packets of the size that was agreed on, which is none that we did not ask for."""

    @property
    def bufsize(self) -> int:
        """Return the bytes of a packet; to set more than we asked for is a `TransportError`."""
        return len(self._buf)

    @bufsize.setter
    def bufsize(self, bufsize: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] (a property there too)
        if bufsize > PACKET_BYTES:
            raise TransportError("the server wants larger packets than it was asked for")
        _TdsWriter.bufsize.fset(self, bufsize)  # pyright: ignore[reportOptionalCall] (it has one)


class CheckedSession(_TdsSession):
    """A session that counts the bytes of each row, and keeps few messages."""

    def __init__(self, tds: Any, channel: Any) -> None:
        super().__init__(
            tds=tds,
            transport=channel,
            tzinfo_factory=None,
            env=tds.env,
            bufsize=_FIRST_BYTES,
            row_strategy=tuple_row_strategy,
        )
        self._reader = CheckedReader(self, channel, PACKET_BYTES)
        self._writer = CheckedWriter(channel, _FIRST_BYTES, self)

    def execute(self, operation: str, params: Any = None) -> None:
        """Execute a statement."""
        self._reader.begin_answer()
        super().execute(operation, params)

    def process_row(self) -> None:
        """Read a row."""
        reader = self._reader
        others = reader.begin_row()
        super().process_row()
        reader.end_row(others)

    def process_nbcrow(self) -> None:
        """Read a row that says in bits what is NULL."""
        reader = self._reader
        others = reader.begin_row()
        super().process_nbcrow()
        reader.end_row(others)

    def process_msg(self, marker: int) -> None:
        """Read a message, and keep it if it is an error."""
        super().process_msg(marker)
        if marker != tds_base.TDS_ERROR_TOKEN:
            self.messages.pop()
        # A login goes by the first and a query by the last.
        del self.messages[_MOST_MESSAGES:-1]
