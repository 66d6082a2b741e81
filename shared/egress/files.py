"""The folder of a deployment whose files connectors may read, one in it for each workspace."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class FilesRoot:
    """Finds files below `root`; None stands for a deployment that lets no one read its files."""

    root: Path | None = None

    def of_workspace(self, slug: str) -> "FilesRoot":
        """Return the folder of one workspace in this one, which is named by its slug.

        No workspace reads another's files.
        """
        return self if self.root is None else FilesRoot(self.root / slug)

    def open_path(self, relative: str) -> Path:
        """Return the file that a path below the root leads to, by its real name.

        Links are followed, and lead nowhere else. Look again for each opening. Raises
        `PermanentError`.
        """
        found = self._find(relative)
        if not found.is_file():
            raise _not_there(relative)
        return found

    def walk(self, relative: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield every file in a folder below the root, in no order, with its path from the root.

        `relative` is empty for the root itself. Links are passed over, and so is what may not be
        looked into or is gone meanwhile. Raises `PermanentError` if there is no such folder.
        """
        folder = self._find(relative, "folder") if relative else self._real_root(relative)
        if not folder.is_dir():
            raise _not_there(relative, "folder")
        waiting = [(folder, PurePosixPath(relative))]
        while waiting:
            here, path = waiting.pop()
            for entry in _entries(here):
                name = path / entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((here / entry.name, name))
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        yield str(name), entry.stat(follow_symlinks=False)

    def _find(self, relative: str, what: str = "file") -> Path:
        path = PurePosixPath(relative)
        root = self._real_root(relative)
        if not path.name or path.is_absolute() or ".." in path.parts or not relative.isprintable():
            raise _refused(relative, "is no path below the folder of this deployment")
        try:
            found = (root / path).resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: links that go in a circle
            raise _not_there(relative, what) from error
        if not found.is_relative_to(root):
            raise _refused(relative, "leads out of the folder of this deployment")
        return found

    def _real_root(self, relative: str) -> Path:
        if self.root is None:
            raise PermanentError(
                "This deployment lets connectors read no files of its own: ask who runs it to set"
                " SYNCLINE_FILES_ROOT.",
                code=Reason.CONFIGURATION,
                fault=Fault.ADDRESS_NOT_ALLOWED,
            )
        try:
            return self.root.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise _not_there(relative) from error


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with (
        suppress(FileNotFoundError, NotADirectoryError, PermissionError),
        os.scandir(folder) as all_,
    ):
        yield from all_


def _refused(relative: str, what: str) -> PermanentError:
    return PermanentError(
        f"{relative[:_SHOWN]!r} {what}: check the connector's settings.",
        code=Reason.CONFIGURATION,
        fault=Fault.ADDRESS_NOT_ALLOWED,
    )


def _not_there(relative: str, what: str = "file") -> PermanentError:
    return PermanentError(
        f"There is no {what} {relative[:_SHOWN]!r}, or it cannot be read: check the connector's"
        " settings.",
        code=Reason.CONFIGURATION,
        fault=Fault.NOT_FOUND,
    )
