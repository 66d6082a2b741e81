"""The way to Xledger: queries by POST, and answers whose errors are told from one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import requests

from shared.clock import utc_now
from shared.connectors.base import SourceAccess
from shared.connectors.failure_kinds import told
from shared.connectors.json_http.answers import body_of
from shared.connectors.json_http.credentials import Credentials
from shared.connectors.json_http.session import JsonSession
from shared.connectors.xledger.config import XledgerConfig
from shared.connectors.xledger.credits import LONGEST_PAUSE, USUAL_WAIT, Budget, wait_until
from shared.connectors.xledger.failures import (
    CREDITS,
    FAILED,
    PACE,
    QUERY,
    Told,
    refused_query,
    told_by,
)
from shared.connectors.xledger.places import place_of
from shared.connectors.xledger.query import Query
from shared.domain.fault import Fault
from shared.domain.run import Reason
from shared.errors import SynclineError, TransientError

SHORT_PAUSES = (5.0, 5.0, 10.0)
"""Seconds before a query is repeated that came too fast: Xledger counts requests over 5 seconds."""

_MOST_REFILLS = 3
"""How often one query waits for credits that come soon, before that is the run's affair."""


class _RefusedError(SynclineError):
    """A status that is no success, with the errors of GraphQL in its body."""

    def __init__(self, body: Any, headers: Mapping[str, str], by_status: SynclineError) -> None:
        super().__init__(str(by_status))
        self.body = body
        self.headers = headers
        self.by_status = by_status


@dataclass(frozen=True, slots=True)
class _Answer:
    """Data, or what the errors beside it mean and how long they ask to wait."""

    data: Mapping[str, Any]
    errors: Told | None = None
    wait: timedelta = USUAL_WAIT


class XledgerSession(JsonSession):
    """A session of one token: it asks queries, at its pace and within its credits."""

    def __init__(self, access: SourceAccess) -> None:
        config = cast("XledgerConfig", access.config)
        token = Credentials("Authorization", value=f"token {config.token.get_secret_value()}")
        super().__init__(access, config.endpoint, token, per_second=config.requests_per_second)
        self._endpoint = config.endpoint
        self._budget = Budget(config.credits, access.lines)

    def ask(self, query: Query, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the data that answers a query.

        Raises what requests does, `TransientError` and `PermanentError`. Data with errors beside
        it is refused as a whole: what is missing in it would look as if there were nothing.
        """
        pauses, refills = iter(SHORT_PAUSES), 0
        while True:
            self._budget.wait_for_room()
            answer = self._answered(query, variables)
            if answer.errors is None:
                return answer.data
            pause = next(pauses, None) if answer.errors.kind is PACE else None
            if answer.errors.kind is CREDITS and answer.wait <= LONGEST_PAUSE:
                pause = answer.wait.total_seconds() if refills < _MOST_REFILLS else None
                refills += 1
            if pause is None:
                raise _failure(query, answer.errors, answer.wait)
            self._lines.pause(pause)

    def failure_of(self, response: requests.Response) -> SynclineError:
        """Return what a status means that is no success, with the errors of GraphQL if it has any.

        How a server puts errors into statuses is its own affair.
        """
        by_status = super().failure_of(response)
        try:
            body = body_of(response)
        except TransientError:
            return by_status
        return _RefusedError(body, response.headers, by_status) if _errors_in(body) else by_status

    def _answered(self, query: Query, variables: Mapping[str, Any]) -> _Answer:
        by_status: SynclineError | None = None
        try:
            sent = {"query": query.text, "variables": variables}
            response = self.post(self._endpoint, json=sent)
            body, headers = response.json(), response.headers
        except _RefusedError as refused:
            body, headers, by_status = refused.body, refused.headers, refused.by_status
        now = utc_now()
        self._budget.report(body, headers, now)
        errors = _errors_in(body)
        if not errors:
            return _Answer(_data_of(body))
        found = told_by(errors)
        if by_status is not None and (found.kind is FAILED or _asks_to_wait(by_status)):
            raise by_status
        wait = wait_until(_reset_of(found), headers, now)
        return _Answer({}, found, USUAL_WAIT if wait is None else wait)


def _errors_in(body: Any) -> list[Any]:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return errors if isinstance(errors, list) else []


def _data_of(body: Any) -> Mapping[str, Any]:
    data = body.get("data") if isinstance(body, Mapping) else None
    if isinstance(data, Mapping):
        return data
    raise TransientError(
        "Xledger gave JSON that is no answer of GraphQL. If it stays so, check the connector's"
        " endpoint.",
        code=Reason.SOURCE_UNAVAILABLE,
        fault=Fault.SCHEMA,
    )


def _asks_to_wait(error: SynclineError) -> bool:
    return isinstance(error, TransientError) and error.retry_after is not None


def _reset_of(errors: Told) -> Any:
    """Return when an error says that there are new credits."""
    extensions = errors.error.get("extensions")
    return extensions.get("resetAt") if isinstance(extensions, Mapping) else None


def _failure(query: Query, errors: Told, wait: timedelta) -> SynclineError:
    if errors.kind is QUERY:
        return refused_query(query.subject, place_of(query.text, errors.error))
    retry_after = max(wait, timedelta(seconds=1)) if errors.kind is CREDITS else None
    return told("Xledger", errors.kind, errors.code or "a GraphQL error", retry_after)
