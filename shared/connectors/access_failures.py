"""What an error on the way to a source means, whatever library met it. Nothing here imports dlt."""

from collections.abc import Sequence
from datetime import datetime

from shared.clock import utc_now
from shared.connectors.driver_failures import driver_label, find_driver_error, reading_kind
from shared.connectors.failure_kinds import links_of, told, transient
from shared.connectors.network_failures import network_failure
from shared.domain.run import Reason
from shared.errors import SynclineError

_UNREAD = transient(Reason.INTERNAL, "could not be read")


def access_failure(error: BaseException) -> SynclineError:
    """Return what an error means to whoever looks at a source.

    An error of ours comes out as it is. One that nothing is known of is transient: a repeat costs
    little, and most of what is unknown passes.
    """
    links = tuple(links_of(error))
    return ours(links) or known_access_failure(links, utc_now()) or unread(error)


def known_access_failure(links: Sequence[BaseException], now: datetime) -> SynclineError | None:
    """Return what the links of a chain say about a database or a connection; None if nothing."""
    found = find_driver_error(links)
    if found is not None:
        return told("The source database", reading_kind(found), driver_label(found))
    return network_failure(links, now)


def ours(links: Sequence[BaseException]) -> SynclineError | None:
    """Return the error among the links that says itself what it means; None if there is none."""
    return next((link for link in links if isinstance(link, SynclineError)), None)


def unread(error: BaseException) -> SynclineError:
    """Return what an error means that nothing is known of."""
    return told("The source", _UNREAD, root_class(error))


def root_class(error: BaseException) -> str:
    """Return the class of what an error was raised from, since wrappers say nothing."""
    seen = {id(error)}
    while error.__cause__ is not None and id(error.__cause__) not in seen:
        error = error.__cause__
        seen.add(id(error))
    return type(error).__name__
