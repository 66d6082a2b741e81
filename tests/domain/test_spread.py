from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.spread import spread_offset


@given(connector=st.uuids(), seconds=st.integers(0, 86_400))
def test_an_offset_is_stable_and_within_the_spread(connector: UUID, seconds: int) -> None:
    spread = timedelta(seconds=seconds)
    offset = spread_offset(connector, spread)
    assert offset == spread_offset(connector, spread)
    assert timedelta(0) <= offset < max(spread, timedelta(seconds=1))


def test_connectors_are_spread_evenly() -> None:
    minutes = [spread_offset(UUID(int=n), timedelta(hours=1)).seconds // 60 for n in range(6_000)]
    counts = [minutes.count(minute) for minute in range(60)]
    assert min(counts) > 50
    assert max(counts) < 170
