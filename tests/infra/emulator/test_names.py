import pytest

from infra.local.emulator.errors import ApiError
from infra.local.emulator.names import check_location

LOCATION = "projects/demo/locations/europe-north1"


def test_a_location_is_accepted() -> None:
    check_location(LOCATION)


@pytest.mark.parametrize("name", ["", "projects/p", f"{LOCATION}/jobs/x", "projects/p/locations/"])
def test_a_malformed_location_is_refused(name: str) -> None:
    with pytest.raises(ApiError, match="must be formatted"):
        check_location(name)
