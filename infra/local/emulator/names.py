"""The part that all resource names begin with: `projects/P/locations/L`."""

import re

from infra.local.emulator.errors import invalid

LOCATION = r"projects/[A-Za-z0-9.:-]+/locations/[a-z0-9-]+"
"""A regular expression of the name of a location."""
_LOCATION = re.compile(LOCATION)


def check_location(name: str) -> None:
    """Refuse what is not `projects/P/locations/L`."""
    if _LOCATION.fullmatch(name) is None:
        raise invalid(
            f'"{name}" must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>"'
        )
