"""The zones of the pinned tzdata package and their version; the machine's own are never read."""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata

_NO_ZONES = frozenset({"Factory"})
"""Names of the list that stand for a zone that nobody has set."""


def zone_data_version() -> str:
    """Return the IANA release of the zones, such as `2026f`.

    A newer release is greater as text, compared by code points (the C collation of PostgreSQL).
    """
    return tzdata.IANA_VERSION


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all zones, spelled as the IANA database spells them."""
    listed = files(tzdata).joinpath("zones").read_text(encoding="utf-8")
    return frozenset(listed.split()) - _NO_ZONES


@cache
def read_zone(name: str) -> ZoneInfo:
    """Return the zone of one of `zone_names()`, always the same object; `KeyError` for others."""
    # Only listed names reach the file system; so neither a path nor another spelling can.
    if name not in zone_names():
        raise KeyError(name)
    with files(tzdata).joinpath("zoneinfo", name).open("rb") as data:
        return _PackagedZone.from_file(data, key=name)


class _PackagedZone(ZoneInfo):
    """A zone from a file: ZoneInfo cannot copy or pickle the times in one, this can."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return read_zone, (self.key,)
