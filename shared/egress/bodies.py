"""The body of a response, read within limits of size and time."""

from collections.abc import Generator
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.egress.lines import Line
from shared.errors import PermanentError, TransientError


class BoundedBody:
    """Stands for a response of urllib3 where requests reads its body from.

    Bytes are counted as they come out of the decompression, so that a small body that grows is a
    large one. The line's patience is for the response as a whole.
    """

    def __init__(
        self, response: BaseHTTPResponse, host: str, most_bytes: int, line: Line | None
    ) -> None:
        self._response = response
        self._host = host
        self._most_bytes = most_bytes
        self._line = line
        self._count = 0
        declared = response.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > most_bytes:
            self.close()
            raise self._too_large()

    def stream(self, amt: int = 65_536, decode_content: bool | None = None) -> Generator[bytes]:
        """Yield the body in pieces of at most `amt` bytes.

        Raises `PermanentError` beyond the limit, `TransientError` if the time is over.
        """
        try:
            for piece in self._response.stream(amt, decode_content=decode_content):
                yield self._counted(piece)
        except (HTTPError, OSError) as error:
            if self._is_given_up():
                raise too_slow(self._host) from error
            raise
        finally:
            self._rest()
        if self._is_given_up():  # without a declared length a body that was cut looks whole
            raise too_slow(self._host)

    def read(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Return up to `amt` bytes, or the rest; raises as `stream`."""
        if amt is None:
            return b"".join(self.stream(decode_content=decode_content))
        return self._counted(self._response.read(amt, decode_content=decode_content))

    def close(self) -> None:
        """Give up the rest of the body, and with it the connection."""
        self._rest()
        self._response.close()

    def release_conn(self) -> None:
        """Let the connection serve the next request."""
        self._rest()
        self._response.release_conn()

    def __getattr__(self, name: str) -> Any:
        """Return whatever else requests asks of a response."""
        return getattr(self._response, name)

    def _counted(self, piece: bytes) -> bytes:
        self._count += len(piece)
        if self._count > self._most_bytes:
            self.close()
            raise self._too_large()
        return piece

    def _is_given_up(self) -> bool:
        return self._line is not None and self._line.is_given_up

    def _rest(self) -> None:
        if self._line is not None:
            self._line.rest()

    def _too_large(self) -> PermanentError:
        return PermanentError(
            f"An answer of {self._host} is larger than {self._most_bytes // 1024**2} MiB: ask it"
            " for smaller pages.",
            code=Reason.CONFIGURATION,
            fault=Fault.SETTINGS,
        )


def too_slow(host: str) -> TransientError:
    """Return the error of a host whose answer did not end in time."""
    return TransientError(
        f"{host} did not give all of its answer in time.",
        code=Reason.SOURCE_UNAVAILABLE,
        fault=Fault.TIMEOUT,
    )
