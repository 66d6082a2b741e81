"""Forget what nobody can ask for any more: page by page while a tick has time, oldest first."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from shared.logs import class_and_place, log_event
from shared.store.engine import single_statements
from shared.store.hooks import prune_deliveries
from shared.store.oauth_states import prune_states
from shared.store.requests import prune_requests

_log = logging.getLogger(__name__)
_PAGE = 5_000
_KINDS: Mapping[str, Callable[[Connection, datetime], int]] = {
    "requests": lambda connection, now: prune_requests(connection, now=now, page=_PAGE),
    "messages": lambda connection, now: prune_deliveries(connection, now=now, page=_PAGE),
    "authorizations": lambda connection, now: prune_states(connection, now=now, page=_PAGE),
}
"""By what they are: answers kept for repeated requests, messages of webhook endpoints, and states
of authorizations that ended."""


def prune(engine: Engine, now: datetime, has_time: Callable[[], bool]) -> int:
    """Delete what is over at `now`; return how many rows.

    A page of each kind, then further pages of those that have more, in turn, until the time is
    over. Trouble is logged and harms nothing: the next tick tries again.
    """
    pruned, kinds = 0, list(_KINDS)
    while kinds:
        counts = {kind: _prune_page(engine, kind, now) for kind in kinds}
        pruned += sum(counts.values())
        kinds = [kind for kind in kinds if counts[kind] == _PAGE] if has_time() else []
    return pruned


def _prune_page(engine: Engine, kind: str, now: datetime) -> int:
    try:
        with single_statements(engine) as connection:
            return _KINDS[kind](connection, now)
    except DBAPIError as error:
        log_event(
            _log,
            logging.WARNING,
            "prune_failed",
            "Rows that nobody can ask for any more could not be deleted",
            kind=kind,
            error_class=class_and_place(error),
        )
        return 0
