"""One run of a report: what is due is written down, sent, and its receipt kept, one by one.

Before a request its row says that it may be on its way, and after it what came of it. So a process
that dies in between leaves a row that says what is not known, with the very content that was sent.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never, cast
from zoneinfo import ZoneInfo

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 (psycopg2 spells it small)

from shared.clock import utc_now
from shared.connectors.base import ConfirmLease, SyncRequest, SyncResult
from shared.connectors.bufdir.config import STREAM, BufdirConfig
from shared.connectors.bufdir.dataset import (
    dataset_trouble,
    reported_dataset,
    require_postgresql,
    set_reading,
)
from shared.connectors.bufdir.endpoint import Endpoint, Letter, open_endpoint
from shared.connectors.bufdir.payload import Payload, make_payload
from shared.connectors.bufdir.receipts import Begun, Identity, Receipt, Receipts
from shared.connectors.bufdir.rows import ReportTable
from shared.connectors.bufdir.verdict import Verdict, refused, unknown
from shared.connectors.dataset.turn import turn_of
from shared.crash_points import CrashPoint, reach
from shared.domain.local_time import load_zone
from shared.domain.reporting import (
    RECEIPTS_TABLE,
    Period,
    ReportState,
    Step,
    decide_step,
    parse_period,
    period_before,
)
from shared.errors import PermanentError

TURN_WAIT = timedelta(seconds=10)
"""How long a run waits for another of its connector before it takes the turn from it."""

_DIED = "the run that sent it came to no end"


def sync(request: SyncRequest, confirm_lease: ConfirmLease) -> SyncResult:
    """Send the reports that are due; raise `TransientError` or `PermanentError`.

    Due is the period before the run's instant, and whatever an earlier run or a person left to be
    sent. A run by hand while people wait for corrections sends those alone: the period may not be
    due yet.
    """
    config = cast("BufdirConfig", request.config)
    zone = load_zone(request.timezone)
    require_postgresql(request.dataset_url)
    with request.lines.watched(), _turn(request, confirm_lease) as connection:
        receipts = Receipts(connection, request.dataset_name, request.connector_id)
        receipts.make(request.reader)
        periods = _due(request, receipts, config, zone)
        with open_endpoint(request, config) as endpoint:
            work = _Work(request, confirm_lease, connection, receipts, endpoint, zone)
            return work.do(periods)


def _due(
    request: SyncRequest, receipts: Receipts, config: BufdirConfig, zone: ZoneInfo
) -> Sequence[Period]:
    """Return the periods to look at, oldest first; those that are left in a later slice."""
    left = cast("Any", request.positions.get(STREAM))
    labels = set(receipts.open_periods() if left is None else left["left"])
    is_asked_for = request.is_by_hand and receipts.were_asked_for(request.run_id)
    if left is None and not is_asked_for:
        at = request.period_at or utc_now()
        labels.add(period_before(at, zone, config.dataset.period.unit).label)
    return sorted(map(parse_period, labels), key=lambda period: (period.first_day, period.unit))


@contextmanager
def _turn(request: SyncRequest, confirm_lease: ConfirmLease) -> Generator[Connection]:
    turn = turn_of(
        request.connector_id, request.dataset_url, TURN_WAIT, confirm_lease, request.lines
    )
    try:
        with turn as held:
            confirm_lease()
            reach(CrashPoint.TURN_TAKEN)
            yield held.connection
    except psycopg2.Error as error:
        raise dataset_trouble(error) from None


class _Work:
    """What comes of the reports of one slice, one after the other."""

    def __init__(
        self,
        request: SyncRequest,
        confirm_lease: ConfirmLease,
        connection: Connection,
        receipts: Receipts,
        endpoint: Endpoint,
        zone: ZoneInfo,
    ) -> None:
        self._request = request
        self._confirm_lease = confirm_lease
        self._connection = connection
        self._receipts = receipts
        self._endpoint = endpoint
        self._zone = zone
        self._config = cast("BufdirConfig", request.config)
        self._rows = 0
        self._told: dict[str, dict[str, object]] = {}
        self._error = _error_of(request.positions.get(STREAM))
        self._is_logged_in = False

    def do(self, periods: Sequence[Period]) -> SyncResult:
        """Do what there is to do about each period; a refused one does not stop the others.

        Raises `TransientError` at once, as the next attempt goes on from the receipts, and in the
        end the first `PermanentError`.
        """
        for done, period in enumerate(periods):
            if done and not self._request.has_time():
                return self._result([period.label for period in periods[done:]])
            try:
                self._report(period)
            except PermanentError as error:
                self._error = self._error or error
        if self._error is not None:
            raise self._error
        return self._result(None)

    def _report(self, period: Period) -> None:
        newest = self._receipts.newest(period.label)
        state = None if newest is None else newest.state
        step = decide_step(state, honours_key=self._counts_once(newest))
        match step:
            case Step.SEND:
                self._send(period, newest)
            case Step.NOTHING:
                self._tell(newest, was_sent=False)
            case Step.TELL_REFUSED:
                status = None if newest is None else newest.http_status
                raise refused(period.label, f"HTTP {status}")
            case Step.TELL_UNKNOWN:
                raise self._in_doubt(period, newest)
            case _:
                assert_never(step)

    def _counts_once(self, newest: Receipt | None) -> bool:
        """Tell whether a repeat counts once: only who got the first request remembers its key."""
        endpoint = self._config.endpoint
        is_same = newest is None or newest.endpoint in (None, endpoint.url)
        return endpoint.honours_idempotency_key and is_same

    def _send(self, period: Period, newest: Receipt | None) -> None:
        if not self._is_logged_in:  # before anything is written down that a failure would leave
            self._endpoint.log_in()
            self._is_logged_in = True
        correction = 0 if newest is None else newest.correction
        begun, payload = self._begin(period, correction, newest)
        reach(CrashPoint.STAGED)
        verdict = self._endpoint.send(
            Letter(
                period,
                correction,
                begun.key,
                payload.content,
                payload.content_type,
                is_repeat=newest is not None and newest.state is ReportState.SENDING,
            )
        )
        reach(CrashPoint.LOADED)
        self._receipts.end(begun, verdict)
        if verdict.error is not None:
            raise verdict.error
        self._rows += payload.rows
        self._tell(self._receipts.newest(period.label), was_sent=True)

    def _begin(
        self, period: Period, correction: int, newest: Receipt | None
    ) -> tuple[Begun, Payload]:
        """Write down what is about to be sent: what was sent before, if that may have arrived."""
        with self._connection, self._connection.cursor() as cursor:
            set_reading(cursor)
            kept = None if newest is None else self._receipts.kept_payload(cursor, newest)
            payload = kept or self._payload(cursor, period, correction)
            identity = Identity(
                period.label, correction, self._config.endpoint.url, self._request.run_id
            )
            begun = self._receipts.begin(cursor, identity, payload)
            self._confirm_lease()
        return begun, payload

    def _payload(self, cursor: Any, period: Period, correction: int) -> Payload:
        dataset = reported_dataset(self._request)
        table = ReportTable(cursor, dataset.schema, self._config.dataset)
        return make_payload(table, self._config, period, correction, self._zone)

    def _in_doubt(self, period: Period, newest: Receipt | None) -> PermanentError:
        if newest is not None and newest.state is ReportState.SENDING:
            error = unknown(period.label, _DIED)
            begun = Begun(newest.id, newest.requests, newest.idempotency_key)
            self._receipts.end(begun, Verdict(ReportState.UNKNOWN, error))
            return error
        return unknown(period.label, "its answer was lost")

    def _tell(self, receipt: Receipt | None, *, was_sent: bool) -> None:
        if receipt is not None:
            self._told[receipt.period] = {
                "correction": receipt.correction,
                "state": receipt.state,
                "was_sent": was_sent,
                "rows": receipt.row_count,
                "receipt": receipt.receipt,
                "idempotency_key": receipt.idempotency_key,
            }

    def _result(self, left: Sequence[str] | None) -> SyncResult:
        result = SyncResult(self._rows, 0, 0, 0, (), {"reports": self._told})
        if left is None:
            return replace(result, finished={STREAM: RECEIPTS_TABLE})
        error = self._error
        kept = None if error is None else [str(error), error.code, error.fault]
        return replace(result, positions={STREAM: {"left": left, "error": kept}})


def _error_of(position: Any) -> PermanentError | None:
    """Return what an earlier slice met that ends the run."""
    if position is None or position["error"] is None:
        return None
    message, code, fault = position["error"]
    return PermanentError(message, code=code, fault=fault)
