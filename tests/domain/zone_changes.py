"""The clock changes of every zone, read from the zones' files rather than searched for."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib.resources import files

import tzdata

from shared.domain.local_time import load_zone
from shared.domain.zone_data import zone_names
from tests.domain.drawn import clock_changes

LAST_YEAR = 2037
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER = struct.Struct(">4s c 15x 6l")
_SECOND = timedelta(seconds=1)


def _file_of(zone: str) -> bytes:
    return files(tzdata).joinpath("zoneinfo", zone).read_bytes()


ZONES_ONCE = tuple(sorted({_file_of(zone): zone for zone in sorted(zone_names())}.values()))
"""A name for each history; most other names are links to one of these."""


@cache
def changes_of(zone: str) -> tuple[datetime, ...]:
    """Return the first instants, UTC, of new offsets up to 2037: the last one of each kind.

    Of one kind are changes of a zone between the same two offsets at the same local time.
    """
    listed = sorted(_listed(_file_of(zone)))
    # A file lists changes up to the year from which on one rule holds.
    first_year = max(listed, default=_EPOCH).year
    ruled = clock_changes(zone, first_year, LAST_YEAR)
    last_of_kind = {_kind(at, zone): at for at in sorted({*listed, *ruled})}
    return tuple(sorted(at for (old, new, _), at in last_of_kind.items() if old != new))


def _kind(at: datetime, zone: str) -> tuple[timedelta | None, timedelta | None, time]:
    here = load_zone(zone)
    before, after = (at - _SECOND).astimezone(here), at.astimezone(here)
    return before.utcoffset(), after.utcoffset(), after.time()


def _listed(data: bytes) -> Iterator[datetime]:
    """Yield the transitions of the 64-bit block of a TZif file (RFC 9636)."""
    _, _, utc, std, leaps, times, types, chars = _HEADER.unpack_from(data)
    block = _HEADER.size + times * 5 + types * 6 + chars + leaps * 8 + std + utc
    times = _HEADER.unpack_from(data, block)[5]
    for seconds in struct.unpack_from(f">{times}q", data, block + _HEADER.size):
        yield _EPOCH + timedelta(seconds=seconds)
