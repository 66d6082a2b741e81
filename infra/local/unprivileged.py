"""Which user a server runs as when it refuses to run as root, as PostgreSQL does."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigurationError

_USER = "nobody"
_TRAVERSE = stat.S_IXOTH
_READ_TREE = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to run as, fit for the arguments of `subprocess.Popen`; None means as ourselves."""

    user: int | None = None
    group: int | None = None
    extra_groups: tuple[()] | None = None


def account_for(folder: Path) -> Account:
    """Return whom to run a server on `folder` as: ourselves, or for root its owner or nobody.

    Raises `ConfigurationError` when root has nobody to hand over to.
    """
    if os.geteuid() != 0:
        return Account()
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, ())
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError as error:
        raise ConfigurationError(
            f"PostgreSQL refuses to run as root and there is no user {_USER!r} to run it as: "
            "run this as an ordinary user."
        ) from error
    return Account(entry.pw_uid, entry.pw_gid, ())


def open_way_to(path: Path) -> None:
    """Let others pass through (not list) the folders above `path`, as far as they are ours."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & _TRAVERSE:
            folder.chmod(stat.S_IMODE(mode) | _TRAVERSE)


def open_tree(root: Path) -> None:
    """Let others read and run everything below `root`, which a strict umask forbids."""
    if root.stat().st_mode & _READ_TREE == _READ_TREE:
        return
    for path in (*root.rglob("*"), root):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) | _READ_TREE)
