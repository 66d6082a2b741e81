"""What a slice does in BigQuery in its own name: it takes the turn, asks, and writes behind it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import Client, QueryJob

from shared.connectors.base import ConfirmLease, SyncRequest
from shared.connectors.bigquery.client import open_client
from shared.connectors.bigquery.failures import JobFailedError, bigquery_failure
from shared.connectors.bigquery.jobs import Jobs, JobTerms, Parameters
from shared.connectors.bigquery.merge import script
from shared.connectors.bigquery.tables import Place, Tables, sql_name
from shared.connectors.bigquery.turn import TURN_TABLE, Turn
from shared.crash_points import CrashPoint, reach
from shared.domain.bigquery_address import parse_address
from shared.domain.run import Reason
from shared.errors import LeaseLostError, PermanentError, SynclineError, TransientError


class Session:
    """One client for one slice; whatever fails is told as in `bigquery_failure`."""

    def __init__(self, request: SyncRequest, confirm_lease: ConfirmLease) -> None:
        self.confirm_lease = confirm_lease
        self._client: Client | None = None
        self._has_turn = False
        address = parse_address(request.dataset_url)
        self.place = Place(address.project, request.dataset_name)
        self.turn = Turn(self.place, request.run_id, request.fence)
        with told():
            self._client = open_client(address)
        labels = _labels(request)
        terms = JobTerms(self.turn.name, labels)
        self.jobs = Jobs(self._client, address, terms, request.has_time)
        self.tables = Tables(self._client, address.location, labels, confirm_lease)

    def take_turn(self) -> None:
        """Take the turn, and confirm the lease behind that; nothing to do while it is held."""
        if self._has_turn:
            return
        with told():
            self.confirm_lease()
            taken = self._take()
        if not taken:
            raise LeaseLostError("A later worker of the run has the turn.")
        self.confirm_lease()
        reach(CrashPoint.TURN_TAKEN)
        self._has_turn = True

    def write(self, name: str, statements: Sequence[str]) -> Mapping[str, Any]:
        """Do all of the statements, or nothing without the turn; return what they counted.

        A turn that another worker took although the lease is ours is taken back, once: it has lost
        its own and will not write. Raises `LeaseLostError` if the lease is not ours any more.
        """
        text = script([self.turn.hold(), *statements])
        self.confirm_lease()
        try:
            return self.jobs.script(name, text)
        except JobFailedError as error:
            if not error.is_turn_lost:
                raise
        self._has_turn = False
        self.take_turn()
        try:
            return self.jobs.script(name, text)
        except JobFailedError as error:
            if not error.is_turn_lost:
                raise
            raise TransientError(
                "Another load of this connector is still under way.", code=Reason.DATASET_BUSY
            ) from None

    def ask(self, name: str, sql: str, parameters: Parameters) -> Mapping[str, Any]:
        """Return the one row of a query."""
        return self.jobs.row(self.jobs.query(name, sql, parameters))

    def close(self) -> None:
        """Close the client; the turn stays ours until somebody takes it."""
        self._has_turn = False
        if self._client is not None:
            with suppress(Exception):
                self._client.close()

    def _take(self) -> bool:
        statement, parameters = self.turn.take()
        try:
            job = self._asked("turn", statement, parameters)
        except (NotFound, JobFailedError) as error:
            if isinstance(error, JobFailedError) and error.reason != "notFound":
                raise
            for dataset in self.place.datasets:
                self.tables.make_dataset(dataset)
            self._asked("make_turn", self.turn.make(), {})
            job = self._asked("turn", statement, parameters)
        if job.num_dml_affected_rows:
            return True
        counted = self.ask(
            "count_turn", f"SELECT COUNT(*) AS n FROM {sql_name(self.turn.table)}", {}
        )
        if counted["n"] != 1:
            raise PermanentError(
                f"The table {TURN_TABLE} in BigQuery, by which loads take turns, was changed by"
                " somebody: drop it, and the next sync makes it again."
            )
        return False

    def _asked(self, name: str, sql: str, parameters: Parameters) -> QueryJob:
        return self.jobs.repeated(lambda: self.jobs.query(name, sql, parameters))


def _labels(request: SyncRequest) -> Mapping[str, str]:
    """Return by what a bill tells whose jobs and datasets those are."""
    labels = {"syncline_connector": str(request.connector_id)}
    if request.workspace_id is not None:
        labels["syncline_workspace"] = str(request.workspace_id)
    return labels


@contextmanager
def told() -> Generator[None]:
    """Let whatever goes wrong in the block be BigQuery's."""
    try:
        yield
    except SynclineError:
        raise
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is may quote rows)
        raise bigquery_failure(error) from None
