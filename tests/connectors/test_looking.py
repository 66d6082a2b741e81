"""Looks at many streams: what was seen counts, what was not is told, and nothing is without end."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from shared.connectors import looking
from shared.connectors.base import ConnectorConfig, SourceAccess, SourceColumn, SourceStream
from shared.connectors.looking import failures_of, offer_within, readable_of
from shared.domain.fault import Fault
from shared.egress.lines import Lines
from shared.errors import LeaseLostError, PermanentError, TransientError

GONE = PermanentError("No such table.", fault=Fault.NOT_FOUND)
REFUSED = PermanentError("No.", code="authorization", fault=Fault.LOGIN)
COLUMN = SourceColumn("id", "int", is_nullable=False)


def _access(times: int = 1_000_000) -> SourceAccess:
    """Return access that has time for so many further streams."""
    left = iter(range(times))
    return SourceAccess(
        config=ConnectorConfig(), lines=Lines(), has_time=lambda: next(left, None) is not None
    )


def _fine() -> None:
    return None


def _raises(error: Exception) -> Callable[[], None]:
    def look() -> None:
        raise error

    return look


def _stream(number: int, columns: int = 1) -> SourceStream:
    return SourceStream(f"s{number:05}", "table", (), (), (COLUMN,) * columns, {})


def _never(_: object) -> bool:
    return False


def _told(
    access: SourceAccess,
    *looks: Callable[[], PermanentError | None],
    ends_all: Callable[[object], bool] = _never,
) -> list[tuple[str, str | None]]:
    named = [(str(number), look) for number, look in enumerate(looks)]
    return [(one.stream, one.error.fault) for one in failures_of(access, named, ends_all)]


def test_each_stream_is_looked_at_and_what_is_wrong_with_single_ones_is_returned() -> None:
    looks = (_fine, _raises(GONE), lambda: GONE, _raises(ValueError("secret")), _fine)
    told = _told(_access(), *looks)
    assert [stream for stream, _ in told] == ["1", "2", "3"]
    assert told[:2] == [("1", "not_found"), ("2", "not_found")]


def test_what_every_stream_would_meet_is_raised_and_not_asked_again() -> None:
    asked: list[int] = []

    def look() -> None:
        asked.append(1)
        raise REFUSED

    with pytest.raises(PermanentError) as raised:
        _told(_access(), look, look, ends_all=lambda error: error is REFUSED)
    assert (raised.value, asked) == (REFUSED, [1])


def test_what_is_no_trouble_of_a_source_is_raised() -> None:
    with pytest.raises(LeaseLostError):
        _told(_access(), _raises(LeaseLostError("Lost.")))


def test_the_first_stream_is_looked_at_and_others_while_there_is_time() -> None:
    assert _told(_access(0), _raises(GONE), _raises(GONE)) == [
        ("0", "not_found"),
        ("1", "not_looked_at"),
    ]
    assert _told(_access(1), _fine, _fine, _fine) == [("2", "not_looked_at")]


def test_the_stream_at_which_the_time_ended_did_not_answer() -> None:
    access = _access()

    def hang() -> None:
        access.lines.cut()
        raise OSError

    looks = (lambda: GONE, hang, _fine)
    assert _told(access, *looks, ends_all=lambda _: True) == [
        ("0", "not_found"),
        ("1", "timeout"),
        ("2", "not_looked_at"),
    ]


def test_an_offer_has_as_many_streams_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_STREAMS", 3)
    assert not offer_within(_access(), map(_stream, range(3))).is_truncated
    asked: list[int] = []

    def streams() -> Iterator[SourceStream]:
        for number in range(100):
            asked.append(number)
            yield _stream(number)

    offer = offer_within(_access(), streams())
    assert (len(offer), offer.is_truncated) == (3, True)
    assert len(asked) == 4


def test_an_offer_has_as_many_columns_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_COLUMNS", 100)
    offer = offer_within(_access(), [_stream(1, 90), _stream(2, 10), _stream(3)])
    assert ([one.name for one in offer], offer.is_truncated) == (["s00001", "s00002"], True)
    assert len(offer_within(_access(), [_stream(1, 101)])) == 1  # one is always told


def test_an_offer_ends_with_its_time() -> None:
    offer = offer_within(_access(2), map(_stream, range(9)))
    assert (len(offer), offer.is_truncated) == (3, True)


def test_an_offer_that_was_cut_has_what_was_seen() -> None:
    access = _access()

    def streams() -> Iterator[SourceStream]:
        yield _stream(1)
        access.lines.cut()
        raise OSError

    offer = offer_within(access, streams())
    assert (len(offer), offer.is_truncated) == (1, True)


def test_streams_that_cannot_be_read_are_left_out_unless_none_can() -> None:
    def gone() -> SourceStream:
        raise GONE

    offer = readable_of(_access(), [gone, lambda: _stream(1)], _never)
    assert [one.name for one in offer] == ["s00001"]
    with pytest.raises(PermanentError) as raised:
        readable_of(_access(), [gone, gone], _never)
    assert raised.value is GONE


def test_nothing_is_begun_once_there_is_no_time_left() -> None:
    lines = Lines(timedelta(milliseconds=50))
    assert timedelta(0) < lines.left(timedelta(hours=1)) <= timedelta(milliseconds=50)
    assert Lines().left(timedelta(hours=1)) == timedelta(hours=1)
    lines.pause(0.06)
    for over in (lines, Lines()):
        over.cut()
        with pytest.raises(TransientError) as raised:
            over.left(timedelta(hours=1))
        assert raised.value.fault == Fault.TIMEOUT
