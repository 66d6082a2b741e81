"""What the demo remembers between two starts: the API key, which no database can tell, and ids."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.demo.api import Api, RefusedError

FLIGHTS = "Flights"
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Seeded:
    """One connector of the demo as the API tells it: ids, and the schema of its dataset."""

    connector: str
    schedule: str
    dataset: str


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo has: its key, where its source is (libpq URL), its connectors by name."""

    api_key: str
    source_url: str
    connectors: Mapping[str, Seeded]


def save(path: Path, demo: Demo) -> None:
    """Write the demo down, readable by this user alone."""
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(demo), indent=1))
    draft.rename(path)


def load(path: Path) -> Demo | None:
    """Return the demo that was written down, or None if nothing readable is there."""
    try:
        stored = json.loads(path.read_text())
        connectors = {name: Seeded(**ids) for name, ids in stored["connectors"].items()}
        return Demo(stored["api_key"], stored["source_url"], connectors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # seeding writes it anew, with another key


def is_known(demo: Demo, api_port: int) -> bool:
    """Return whether the API accepts the key: it does not once the database is a newer one."""
    try:
        Api(api_port, demo.api_key).get("/connectors?limit=1")
    except RefusedError as error:
        if error.status == _UNAUTHORIZED:
            return False
        raise
    return True
