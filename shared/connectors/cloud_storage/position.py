"""The position of a stream of files between two slices: the file, and the record within it.

A position of a stream that was configured otherwise since is of no use: it is ignored, and reading
starts at the watermark again. So does that of a file whose content is another: it is begun anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from shared.connectors.base import Position
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.landing import Kind, read_kinds, write_kinds
from shared.connectors.cloud_storage.listing import Order
from shared.connectors.cloud_storage.records import Place
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.cloud_storage.stream_config import StreamConfig
from shared.domain.run import Reason
from shared.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Within:
    """A place in one version of a file."""

    path: str
    version: str
    place: Place


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a slice stopped: behind the files up to `done`, and `within` the next."""

    done: Order | None = None
    within: Within | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict[str, Kind])

    def start_in(self, file: StoredFile) -> Place:
        """Return where reading goes on in a file: at its start, unless it stopped in it."""
        within = self.within
        if within is None or (within.path, within.version) != (file.path, file.version):
            return Place()
        return within.place


def identity_of(config: CloudStorageConfig, stream: StreamConfig) -> str:
    """Return what a position belongs to: a stream as it is configured."""
    told = f"{config.url}\0{config.account}\0{config.endpoint_url}\0{stream.model_dump_json()}"
    return sha256(told.encode()).hexdigest()[:32]


def finished(identity: str) -> Position:
    """Return the position of a stream whose files were read to their end."""
    return {"identity": identity, "finished": True}


def is_finished(identity: str, position: Position | None) -> bool:
    """Tell whether an earlier slice of the run has read the stream to its end."""
    return (
        position is not None
        and position.get("identity") == identity
        and position.get("finished") is True
    )


def write_stop(identity: str, stop: Stop) -> Position:
    """Return the position of a stream that has more."""
    position: dict[str, object] = {
        "identity": identity,
        "finished": False,
        "kinds": write_kinds(stop.kinds),
    }
    if stop.done is not None:
        position["done"] = [stop.done[0].isoformat(), stop.done[1]]
    if stop.within is not None:
        place = stop.within.place
        position["within"] = [stop.within.path, stop.within.version, place.row, place.offset]
    return position


def read_stop(stream: str, identity: str, position: Position | None) -> Stop | None:
    """Return where to go on, or None to begin; raise `PermanentError` if it cannot be read."""
    if position is None or position.get("identity") != identity:
        return None
    try:
        return _stop(position)
    except (LookupError, TypeError, ValueError) as error:
        raise PermanentError(
            f"The place where the sync of {stream} stopped cannot be read: start it anew.",
            code=Reason.INTERNAL,
        ) from error


def _stop(position: Mapping[str, Any]) -> Stop:
    done, within = position.get("done"), position.get("within")
    return Stop(
        None if done is None else (datetime.fromisoformat(done[0]), str(done[1])),
        None if within is None else Within(within[0], within[1], Place(*within[2:])),
        read_kinds(position["kinds"]),
    )
