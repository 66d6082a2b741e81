import copy
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
import tzdata

from shared.domain.zone_data import read_zone, zone_data_version, zone_names

SUMMER = datetime(2026, 7, 1, tzinfo=UTC)
OFFSETS = """
from datetime import datetime
from zoneinfo import ZoneInfo
from shared.domain.local_time import load_zone
for zone in (load_zone("Europe/Oslo"), ZoneInfo("Europe/Oslo")):
    print(datetime(2026, 7, 1, tzinfo=zone).utcoffset())
"""


def test_the_version_is_that_of_the_files_and_a_newer_one_is_greater_as_text() -> None:
    source = files(tzdata).joinpath("zoneinfo", "tzdata.zi").read_text(encoding="utf-8")
    assert source.splitlines()[0] == f"# version {zone_data_version()}"
    assert re.fullmatch(r"20[0-9]{2}[a-z]{1,2}", zone_data_version())
    assert "2025b" < zone_data_version() < "2126a"


def test_every_listed_zone_can_be_read_and_says_its_name() -> None:
    assert len(zone_names()) > 590
    for name in zone_names():
        zone = read_zone(name)
        assert zone.key == name
        assert SUMMER.astimezone(zone).utcoffset() is not None


@pytest.mark.parametrize("name", ["Factory", "Europe", "zones", "../zones", "tzdata.zi", ""])
def test_what_is_not_in_the_list_is_not_read(name: str) -> None:
    with pytest.raises(KeyError):
        read_zone(name)


def test_a_zone_is_read_once() -> None:
    assert read_zone("Europe/Oslo") is read_zone("Europe/Oslo")


def test_the_zones_of_the_machine_are_neither_read_nor_hidden(tmp_path: Path) -> None:
    """A machine whose Europe/Oslo is Tokyo, say, since its files are old."""
    (tmp_path / "Europe").mkdir()
    tokyo = files(tzdata).joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe" / "Oslo").write_bytes(tokyo)
    offsets = subprocess.run(
        [sys.executable, "-c", OFFSETS],
        env={**os.environ, "PYTHONTZPATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    assert offsets == ["2:00:00", "9:00:00"]


def sent(local: datetime) -> datetime:
    return pickle.loads(pickle.dumps(local))  # noqa: S301 (the bytes are its own)


@pytest.mark.parametrize("repeated", [copy.copy, copy.deepcopy, sent])
def test_a_local_time_can_be_copied_and_sent_with_its_zone(
    repeated: Callable[[datetime], datetime],
) -> None:
    local = SUMMER.astimezone(read_zone("Europe/Oslo"))
    assert repeated(local) == local
    assert repeated(local).tzinfo is local.tzinfo
