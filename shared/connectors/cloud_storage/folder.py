"""A folder of the deployment's own files as a store."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from os import stat_result
from pathlib import PurePosixPath
from typing import Self

from shared.connectors.cloud_storage.store import FileChangedError, FileGoneError, StoredFile
from shared.domain.fault import Fault
from shared.egress.files import FilesRoot
from shared.errors import PermanentError

_PAGE_FILES = 1_000


class FolderStore:
    """A folder below the root of the deployment's files; links in it lead nowhere."""

    def __init__(self, files: FilesRoot, prefix: str) -> None:
        self._files = files
        self._prefix = prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def pages(self, prefix: str) -> Iterator[Sequence[StoredFile]]:
        """Yield the files whose paths begin so, page by page."""
        wanted = (file for file in self._found(prefix) if file.path.startswith(prefix))
        while page := list(islice(wanted, _PAGE_FILES)):
            yield page

    def _found(self, prefix: str) -> Iterator[StoredFile]:
        below, _, _ = prefix.rpartition("/")
        if below and not self._has(below):
            below = ""
        folder = str(PurePosixPath(self._prefix, below))
        for path, facts in self._files.walk("" if folder == "." else folder):
            yield _stored(path.removeprefix(self._prefix), facts)

    def _has(self, below: str) -> bool:
        """Tell whether there is such a folder: in other stores one without files is none."""
        try:
            next(self._files.walk(f"{self._prefix}{below}"), None)
        except PermanentError as error:
            if error.fault != Fault.NOT_FOUND:
                raise
            return False
        return True

    def read(self, file: StoredFile, start: int, count: int) -> bytes:
        """Return a part of a file, if it is still the one that was listed."""
        try:
            path = self._files.open_path(self._prefix + file.path)
            with path.open("rb") as opened:
                opened.seek(start)
                part = opened.read(count)
            facts = path.stat()
        except FileNotFoundError:
            raise FileGoneError(file.path) from None
        except PermissionError:
            raise PermanentError(
                f"{file.path} may not be read by this deployment: change its permissions.",
                fault=Fault.PERMISSION,
            ) from None
        except PermanentError as error:
            if error.fault == Fault.NOT_FOUND:
                raise FileGoneError(file.path) from None
            raise
        if _stored(file.path, facts) != file:  # looked at after reading, or both may be new
            raise FileChangedError(file.path)
        return part


def _stored(path: str, facts: stat_result) -> StoredFile:
    seconds, rest = divmod(facts.st_mtime_ns, 10**9)
    modified_at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)
    version = f"{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"
    return StoredFile(path, modified_at, facts.st_size, version)
