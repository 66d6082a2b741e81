"""How a run goes on is decided by what became of the streams of its slice."""

from datetime import timedelta

import pytest

from shared.connectors.base import StreamFailure
from shared.connectors.slice_end import MOST_AT_ONCE, Course, SliceEnd, SliceFacts, end_of
from shared.connectors.stream_troubles import PastFailure
from shared.errors import PermanentError, TransientError

PASSES = TransientError("it passes")
STAYS = PermanentError("it stays")


def _failed(error: TransientError | PermanentError, *streams: str) -> list[StreamFailure]:
    return [StreamFailure(stream, error) for stream in streams]


@pytest.mark.parametrize(
    ("facts", "course"),
    [
        (SliceFacts(ended=["a"]), Course.OVER),
        (SliceFacts(others_are_done=True), Course.OVER),
        (SliceFacts(unfinished=["a"]), Course.AT_ONCE),
        (SliceFacts(ended=["a"], left=["b"]), Course.AT_ONCE),
        (SliceFacts(ended=["a"], failures=_failed(STAYS, "b")), Course.OVER),
        (SliceFacts(ended=["a"], failures=_failed(PASSES, "b")), Course.AFTER_WAIT),
        (SliceFacts(others_are_done=True, failures=_failed(PASSES, "b")), Course.AFTER_WAIT),
        (SliceFacts(failures=_failed(PASSES, "b"), left=["c"]), Course.AT_ONCE),
        (SliceFacts(unfinished=["a"], failures=_failed(PASSES, "b")), Course.AT_ONCE),
        (SliceFacts(unfinished=["a"], failures=_failed(STAYS, "b")), Course.AT_ONCE),
        (
            SliceFacts(unfinished=["a"], failures=_failed(PASSES, "b"), is_hopeless=True),
            Course.AFTER_WAIT,
        ),
        (
            SliceFacts(unfinished=["a"], failures=_failed(STAYS, "b"), is_hopeless=True),
            Course.AT_ONCE,
        ),
    ],
)
def test_a_run_waits_only_for_what_may_pass_and_when_nothing_else_is_left(
    facts: SliceFacts, course: Course
) -> None:
    end = end_of(facts)
    assert end.course is course
    assert (end.trouble is None) is (course is not Course.AFTER_WAIT)
    assert list(end.failures) == facts.failures or not facts.failures


@pytest.mark.parametrize("error", [PASSES, STAYS])
def test_what_keeps_every_stream_from_being_synced_is_raised(
    error: TransientError | PermanentError,
) -> None:
    with pytest.raises(type(error)) as raised:
        end_of(SliceFacts(failures=_failed(error, "a", "b")))
    assert raised.value is error


def test_of_failures_alone_the_one_that_may_pass_is_raised() -> None:
    with pytest.raises(TransientError):
        end_of(SliceFacts(failures=[*_failed(STAYS, "a"), *_failed(PASSES, "b")]))


def test_the_trouble_with_a_wait_is_the_one_that_is_waited_out() -> None:
    asked = TransientError("wait", retry_after=timedelta(minutes=1))
    failures = [*_failed(asked, "a"), *_failed(PASSES, "b")]
    assert end_of(SliceFacts(ended=["c"], failures=failures)).trouble is asked


def test_streams_behind_one_that_none_gets_past_fail_as_it_did() -> None:
    facts = SliceFacts(
        ended=["a"], failures=_failed(PASSES, "b"), untried=["c", "d"], is_hopeless=True
    )
    assert end_of(facts).failures == tuple(_failed(PASSES, "b", "c", "d"))


def test_streams_that_failed_before_are_given_up_if_nothing_else_is_left_to_read() -> None:
    facts = SliceFacts(ended=["a"], left=["b"], past={"b": PastFailure(STAYS, 1)})
    assert end_of(facts) == SliceEnd(Course.OVER, tuple(_failed(STAYS, "b")))


def test_a_stream_that_failed_in_passing_and_found_no_time_is_waited_for() -> None:
    facts = SliceFacts(ended=["a"], left=["b"], past={"b": PastFailure(PASSES, 1)})
    assert end_of(facts) == SliceEnd(Course.AFTER_WAIT, tuple(_failed(PASSES, "b")), PASSES)


@pytest.mark.parametrize(
    "facts",
    [
        SliceFacts(ended=["a"], left=["b", "c"], past={"b": PastFailure(STAYS, 1)}),
        SliceFacts(unfinished=["a"], left=["b"], past={"b": PastFailure(STAYS, 1)}),
    ],
)
def test_streams_that_failed_before_are_kept_while_others_are_left(facts: SliceFacts) -> None:
    assert end_of(facts) == SliceEnd(Course.AT_ONCE)


@pytest.mark.parametrize(
    ("times", "others", "course"),
    [
        (MOST_AT_ONCE - 1, [], Course.AT_ONCE),
        (MOST_AT_ONCE, [], Course.AFTER_WAIT),
        (MOST_AT_ONCE, ["b"], Course.AT_ONCE),
    ],
)
def test_a_source_that_breaks_off_again_and_again_is_left_in_peace_for_a_while(
    times: int, others: list[str], course: Course
) -> None:
    facts = SliceFacts(
        unfinished=["a", *others],
        failures=_failed(PASSES, "a"),
        past={"a": PastFailure(PASSES, times)},
    )
    assert end_of(facts).course is course


def test_a_failure_of_a_stream_that_is_done_is_told_to_the_end_of_the_run() -> None:
    past = {"a": PastFailure(STAYS, 1, stands=True), "b": PastFailure(STAYS, 1)}
    facts = SliceFacts(ended=["b"], others_are_done=True, past=past)
    assert end_of(facts) == SliceEnd(Course.OVER, tuple(_failed(STAYS, "a")))
    again = SliceFacts(ended=["a"], past=past)
    assert end_of(again) == SliceEnd(Course.OVER)
