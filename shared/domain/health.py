"""What a run or a look says of a connector's health: the one rule for both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from shared.domain.run import Reason

QUIET = timedelta(hours=26)
"""How long after a run nothing is looked at: the next run of a day comes first, and says more."""

_LONGEST_REASON = 500
_OURS = frozenset(
    {
        Reason.INTERNAL,
        Reason.DATASET_UNAVAILABLE,
        Reason.DATASET_BUSY,
        Reason.TIMED_OUT,
        Reason.SLICE_TOO_LONG,
    }
)
"""Why something may fail whose connector is well."""
_PAUSES = {
    "healthy": timedelta(days=1),
    "unhealthy": timedelta(hours=6),
    # What was in the way is ours: it is mended sooner than a day.
    None: timedelta(hours=1),
}


class Health(StrEnum):
    """Health of a connector.

    - UNKNOWN: nothing was heard of it since it was made or its config changed. Set by a change.
    - HEALTHY, UNHEALTHY: what its last run or look found. Set by record and by look.
    """

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stood in the way of a connector or of one of its streams: a code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A connector's health, and why it is unhealthy."""

    health: Health
    reason: str | None = None


def verdict_on(troubles: Sequence[Trouble]) -> Verdict | None:
    """Return what the troubles that were met say of the connector; None for nothing.

    Without any it is healthy. Of its own, the first is told; trouble of ours, such as a key service
    or a dataset that is away, says nothing about it.
    """
    if not troubles:
        return Verdict(Health.HEALTHY)
    own = next((trouble for trouble in troubles if trouble.code not in _OURS), None)
    return None if own is None else Verdict(Health.UNHEALTHY, own.sentence[:_LONGEST_REASON])


def next_look(connector: object, verdict: Verdict | None, at: datetime) -> datetime:
    """Return when to look again at a connector that does not run, after a look at `at`.

    Up to a tenth earlier, by chance that is a hash of both, so that what was made at once is not
    looked at at once for ever.
    """
    pause = _PAUSES[None if verdict is None else verdict.health]
    digest = sha256(f"look:{connector}:{at.isoformat()}".encode()).digest()
    return at + pause * (1 - int.from_bytes(digest[:8], "big") / 2**64 / 10)
