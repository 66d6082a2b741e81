from datetime import UTC, datetime

import pytest
from pg8000.converters import TIMESTAMPTZ, timestamptz_in
from sqlalchemy import Engine, text

from shared.store.driver import LocalSetting, read_instant


@pytest.mark.parametrize("value", ["1'; DROP TABLE workspace", "a b", "", "\\", "1;2", "$$"])
def test_a_setting_that_could_end_its_own_quotes_is_refused(value: str) -> None:
    if value:
        with pytest.raises(ValueError, match="signs"):
            LocalSetting("syncline.workspace_id", value)
    with pytest.raises(ValueError, match="signs"):
        LocalSetting(f"{value}'", "1")


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22 00:52:39.123456+00",
        "2026-11-22 00:52:39.1+00",
        "2026-11-22 00:52:39+00",
        "2026-11-22 00:52:39+05:30",
        "0001-01-01 00:00:00+00",
        "infinity",
        "20000-01-01 00:00:00+00",
    ],
)
def test_an_instant_is_read_as_the_driver_reads_it(written: str) -> None:
    assert read_instant(written) == timestamptz_in(written)


def test_instants_of_rows_are_read_by_it(engine: Engine) -> None:
    query = text("SELECT CAST('2026-03-29 01:30:00.25+02' AS timestamptz)")
    with engine.connect() as connection:
        found = connection.execute(query).scalar_one()
        driver = connection.connection.dbapi_connection
        assert driver.pg_types[TIMESTAMPTZ] is read_instant
    assert found == datetime(2026, 3, 28, 23, 30, 0, 250_000, tzinfo=UTC)
