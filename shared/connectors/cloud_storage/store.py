"""What every store can do, whichever it is: name its files, and read a part of one."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.fault import Fault
from shared.errors import PermanentError, TransientError


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was listed: `path` is relative to the connector's URL, `size` in bytes.

    `version` differs whenever the content does: an ETag, a generation, or facts of a file system.
    """

    path: str
    modified_at: datetime
    size: int
    version: str


class Store(AbstractContextManager["Store"], Protocol):
    """A bucket, a container or a folder that is open for reading."""

    def pages(self, prefix: str) -> Iterator[Sequence[StoredFile]]:
        """Yield the files whose paths begin so, page by page, each page by a call of its own.

        Raises `PermanentError` or `TransientError`.
        """
        ...

    def read(self, file: StoredFile, start: int, count: int) -> bytes:
        """Return `count` bytes of a file, which has so many behind `start`.

        Raises `FileGoneError` or `FileChangedError` if it is not the listed one any more, and as
        `pages`.
        """
        ...


class FileGoneError(PermanentError):
    """A file that was listed is not there any more."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is gone since it was listed: put it back, or let the next sync pass.",
            fault=Fault.NOT_FOUND,
        )


class FileChangedError(TransientError):
    """A file was written while it was read: what was read may be of both."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} was changed while it was read, and is read from its start again. Write files"
            " under another name and rename them when they are complete.",
            fault=Fault.UNAVAILABLE,
        )


def unreadable_file(path: str, why: str) -> PermanentError:
    """Return the error of a file that cannot be read as what its stream says it is.

    `why` goes on after the name of the file, without a full stop.
    """
    return PermanentError(
        f"{path} {why}. Correct or remove the file, or name it in exclude.", fault=Fault.SCHEMA
    )
