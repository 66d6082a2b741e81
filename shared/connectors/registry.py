"""Which connector types there are, found by slug and imported only when asked for.

A type is a folder beside this file whose `__init__.py` holds `CONNECTOR_TYPE`, and its `config.py`
the schema of its config. Listing slugs imports nothing, and a type's folder imports its source, and
dlt with it, only to sync.
"""

from functools import cache
from pathlib import Path

import shared.connectors
from shared.connectors.base import ConnectorType
from shared.errors import NotFoundError
from shared.late_imports import load


@cache
def slugs() -> tuple[str, ...]:
    """Return the slugs of all connector types, in alphabetical order."""
    places = map(Path, shared.connectors.__path__)
    return tuple(sorted(file.parent.name for place in places for file in place.glob("*/config.py")))


@cache
def connector_type(slug: str) -> ConnectorType:
    """Return the connector type with this slug; raise `NotFoundError` if there is none."""
    if slug not in slugs():
        raise NotFoundError(f"There is no connector type {slug!r}; there is {', '.join(slugs())}.")
    return load(f"{shared.connectors.__name__}.{slug}").CONNECTOR_TYPE
