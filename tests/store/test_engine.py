from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, text

from shared.store.engine import single_statements

# The driver converts it to UTC between two messages, and leaves the calendar on the way.
BEYOND = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))


@pytest.mark.parametrize("is_autocommit", [True, False])
def test_a_connection_on_which_the_driver_broke_down_is_not_used_again(
    engine: Engine, *, is_autocommit: bool
) -> None:
    def ask(parameter: object) -> object:
        query, parameters = text("SELECT CAST(:at AS timestamptz)"), {"at": parameter}
        if is_autocommit:
            with single_statements(engine) as connection:
                return connection.execute(query, parameters).scalar_one()
        with engine.begin() as connection:
            return connection.execute(query, parameters).scalar_one()

    with pytest.raises(OverflowError):
        ask(BEYOND)
    for _ in range(3):
        assert ask(datetime(2026, 3, 2, tzinfo=timezone(timedelta(0)))) is not None
