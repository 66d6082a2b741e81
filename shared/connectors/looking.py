"""Looks at many streams, one after the other, while there is time: what was seen counts."""

from collections.abc import Callable, Iterable, Iterator

from shared.connectors.access_failures import access_failure
from shared.connectors.base import (
    MOST_COLUMNS,
    MOST_STREAMS,
    Offer,
    SourceAccess,
    SourceStream,
    StreamFailure,
)
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import PermanentError, SynclineError, TransientError

Problem = TransientError | PermanentError
Look = Callable[[], Problem | None]
"""Looks at one stream: returns what is wrong with it, or raises what keeps it from being read."""


def failures_of(
    access: SourceAccess,
    looks: Iterable[tuple[str, Look]],
    ends_all: Callable[[Problem], bool],
) -> list[StreamFailure]:
    """Look at each stream by its name, and return what is wrong with single ones.

    Those for which there is no time come with the fault `not_looked_at`, and the one at which the
    time ended with `timeout`. Raises what `ends_all` says that every other would meet too, and
    `SynclineError` that is none of a source.
    """
    failures: list[StreamFailure] = []
    for number, (name, look) in enumerate(looks):
        if number and (access.lines.is_cut or not access.has_time()):
            failures.append(StreamFailure(name, _not_looked_at()))
            continue
        try:
            problem = look()
        except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
            problem = _problem_of(access_failure(error))
            if number and access.lines.is_cut:
                problem = _too_slow()
            elif ends_all(problem):
                raise problem from None
        if problem is not None:
            failures.append(StreamFailure(name, problem))
    return failures


def offer_within(access: SourceAccess, streams: Iterable[SourceStream]) -> Offer:
    """Return what a source offers, as far as there is time and room; raises what looking does.

    `streams` look at each when it is asked for.
    """
    taken: list[SourceStream] = []
    columns = 0
    try:
        for stream in streams:
            columns += len(stream.columns)
            is_full = len(taken) == MOST_STREAMS or columns > MOST_COLUMNS
            if taken and (is_full or not access.has_time()):
                return Offer(taken, is_truncated=True)
            taken.append(stream)
    except Exception:
        if taken and access.lines.is_cut:
            return Offer(taken, is_truncated=True)
        raise
    return Offer(taken)


def readable_of(
    access: SourceAccess,
    looks: Iterable[Callable[[], SourceStream]],
    ends_all: Callable[[Problem], bool],
) -> Offer:
    """Return the streams that can be read, as far as there is time and room.

    Raises what `ends_all` says that every other would meet too, and what the first stream met if
    none can be read.
    """
    problems: list[Problem] = []

    def seen() -> Iterator[SourceStream]:
        for look in looks:
            try:
                yield look()
            except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote)
                problem = _problem_of(access_failure(error))
                if access.lines.is_cut or ends_all(problem):
                    raise problem from None
                problems.append(problem)

    offer = offer_within(access, seen())
    if not offer.streams and problems:
        raise problems[0]
    return offer


def _problem_of(failure: SynclineError) -> Problem:
    if isinstance(failure, TransientError | PermanentError):
        return failure
    raise failure from None


def _not_looked_at() -> TransientError:
    return TransientError(
        "There was no time left to look at it: a sync will tell.",
        code=Reason.INTERNAL,
        fault=Fault.NOT_LOOKED_AT,
    )


def _too_slow() -> TransientError:
    return TransientError(
        "The source did not answer in time: see whether it is well.",
        code=Reason.SOURCE_UNAVAILABLE,
        fault=Fault.TIMEOUT,
    )
