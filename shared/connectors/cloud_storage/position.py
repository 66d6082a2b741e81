"""The position of a stream of files between two slices: the file, and the record within it.

A position of a stream that was configured otherwise since is of no use: it is ignored, and reading
starts at the watermark again. So does that of a file whose content is another: it is begun anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.connectors.base import Position
from shared.connectors.cloud_storage.config import CloudStorageConfig
from shared.connectors.cloud_storage.landing import Kind, read_kinds, write_kinds
from shared.connectors.cloud_storage.listing import Order
from shared.connectors.cloud_storage.records import Place
from shared.connectors.cloud_storage.store import StoredFile
from shared.connectors.cloud_storage.stream_config import StreamConfig
from shared.connectors.positions import identity, unfinished


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
    place = [config.url, config.account, config.endpoint_url]
    return identity([*place, stream.model_dump(mode="json")])


def write_stop(identity: str, stop: Stop) -> Position:
    """Return the position of a stream that has more."""
    place = stop.within and stop.within.place
    return unfinished(
        identity,
        {
            "kinds": write_kinds(stop.kinds),
            "done": stop.done and [stop.done[0].isoformat(), stop.done[1]],
            "within": stop.within
            and place
            and [stop.within.path, stop.within.version, place.row, place.offset],
        },
    )


def stop_of(position: Mapping[str, Any]) -> Stop:
    """Return what `write_stop` wrote; raise `KeyError`, `TypeError` or `ValueError`."""
    done, within = position["done"], position["within"]
    return Stop(
        None if done is None else (datetime.fromisoformat(done[0]), str(done[1])),
        None if within is None else Within(within[0], within[1], Place(*within[2:])),
        read_kinds(position["kinds"]),
    )
