"""Modules that are imported when they are first wanted, by one thread at a time.

Two threads that import modules which import each other may wait for one another; Python then lets
one of them fail with `_DeadlockError`. A worker that warms up while a run begins is such a pair.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

_LOCK = threading.RLock()


@contextmanager
def importing() -> Generator[None]:
    """Let nobody else import late within the block; it holds import statements and no more."""
    with _LOCK:
        yield


def load(name: str) -> ModuleType:
    """Return the module of that full name."""
    with importing():
        return import_module(name)
