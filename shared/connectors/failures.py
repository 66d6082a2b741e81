"""Whatever a sync can meet, told as transient or permanent in words that hold no secret.

The text of drivers, servers and libraries may quote rows, parameters, addresses and passwords, so
none of it is passed on: a message is a sentence of ours with an error's class and its SQLSTATE,
number or HTTP status. `http_failures` and `oauth_failures` do the same for a response in hand.
"""

import errno
from collections.abc import Sequence
from datetime import datetime

from shared.clock import utc_now
from shared.connectors.access_failures import known_access_failure, ours, root_class, unread
from shared.connectors.dlt_failures import loading_failure, reading_failure
from shared.connectors.driver_failures import driver_label, find_driver_error, loading_kind
from shared.connectors.failure_kinds import links_of, told, transient
from shared.domain.run import Reason
from shared.errors import SynclineError

_OUT_OF_ROOM = transient(Reason.INTERNAL, "ran out of memory, disk space or open files")
_NOT_LOADED = transient(Reason.INTERNAL, "did not complete")
_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


def source_failure(error: BaseException, *, now: datetime | None = None) -> SynclineError:
    """Return what an error while reading from the source means for the run.

    An error of ours comes out as it is. One that nothing is known of is transient: a repeat costs
    little, and most of what is unknown passes. `now` is the clock's, if not given.
    """
    links = tuple(links_of(error))
    return (
        ours(links)
        or known_access_failure(links, utc_now() if now is None else now)
        or reading_failure(links)
        or _out_of_room(links)
        or unread(error)
    )


def dataset_failure(error: BaseException) -> SynclineError:
    """Return what an error while loading into the dataset means for the run."""
    links = tuple(links_of(error))
    return (
        ours(links)
        or _dataset_database(links)
        or loading_failure(links)
        or _out_of_room(links)
        or told("The load", _NOT_LOADED, root_class(error))
    )


def _dataset_database(links: Sequence[BaseException]) -> SynclineError | None:
    found = find_driver_error(links)
    if found is None:
        return None
    return told("The dataset's database", loading_kind(found), driver_label(found))


def _out_of_room(links: Sequence[BaseException]) -> SynclineError | None:
    for link in links:
        if isinstance(link, MemoryError) or (isinstance(link, OSError) and link.errno in _ROOM):
            return told("The worker", _OUT_OF_ROOM, type(link).__name__)
    return None
