from shared.domain.attempts import AttemptEnd, TimelineEvent, attempts_of
from tests.factories import at


def event(clock: str, kind: str, **detail: object) -> TimelineEvent:
    return TimelineEvent(at(clock), kind, detail)


def test_each_start_begins_an_attempt_and_what_follows_says_how_it_ended() -> None:
    timeline = [
        event("02:00", "planned"),
        event("02:00", "enqueued", generation=0),
        event("02:00", "started", attempt=1, fence=1),
        event("02:01", "waits_for_retry", reason="source_unavailable", error="It is away."),
        event("02:02", "enqueued", generation=1),
        event("02:02", "started", attempt=2, fence=2),
        event("02:03", "slice_completed", records_processed=7),
        event("02:03", "started", attempt=1, fence=3, slice=2),
        event("02:05", "lease_expired", attempt=1),
        event("02:06", "started", attempt=2, fence=5, slice=2),
    ]

    found = attempts_of(timeline)

    assert [(one.number, one.slice, one.end) for one in found] == [
        (1, 1, AttemptEnd.WAITS_FOR_RETRY),
        (2, 1, AttemptEnd.SLICE_COMPLETED),
        (1, 2, AttemptEnd.LEASE_EXPIRED),
        (2, 2, None),
    ]
    assert (found[0].reason, found[0].error) == ("source_unavailable", "It is away.")
    assert (found[1].records_processed, found[2].ended_at) == (7, at("02:05"))


def test_a_run_that_never_started_has_no_attempt() -> None:
    timeline = [event("02:00", "planned"), event("02:00", "skipped", reason="overlap")]
    assert attempts_of(timeline) == []


def test_an_end_whose_beginning_is_left_out_ends_no_other_attempt() -> None:
    timeline = [
        event("02:00", "started", attempt=1),
        event("02:01", "failed", reason="authorization"),
        event("02:02", "retried", run_id="x"),
        event("02:03", "succeeded"),
    ]
    [only] = attempts_of(timeline)
    assert only.end is AttemptEnd.FAILED
