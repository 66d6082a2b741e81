"""The steps of a full refresh in BigQuery: keep the keys of each slice, and delete at the end."""

import logging
from collections.abc import Mapping, Sequence

from google.cloud.bigquery import SchemaField, TableReference

from shared.connectors.bigquery.names import job_part
from shared.connectors.bigquery.refresh import (
    RefreshTable,
    decide,
    keep_statements,
    look_statement,
    seen_fields,
)
from shared.connectors.bigquery.session import Session
from shared.connectors.bigquery.tables import sql_name, type_of
from shared.connectors.dataset.refresh import Deletion, Refresh
from shared.logs import log_event

_log = logging.getLogger(__name__)


class Following:
    """What a slice of a refresh does beside its merge, and behind it."""

    def __init__(
        self,
        session: Session,
        table: str,
        refresh: Refresh,
        key: Mapping[str, str],
        *,
        staging: TableReference | None,
        aside: TableReference | None,
    ) -> None:
        place = session.place
        self._session = session
        self._name = table
        self._refresh = refresh
        self._seen = place.beside(f"seen_{job_part(table)}")
        self._names = RefreshTable(
            target=sql_name(place.target(table)),
            seen=sql_name(self._seen),
            staging=None if staging is None else sql_name(staging),
            aside=None if aside is None else sql_name(aside),
            key=key,
        )

    def begin(self) -> Sequence[str]:
        """Make sure of the table of keys; return what the transaction of the merge does with it."""
        wanted = seen_fields(self._names.key)
        found = self._session.tables.find(self._seen)
        if found is not None and not _is_same(found.schema, wanted):
            # Keys of another type than the dataset's would be rounded, or not be found.
            self._session.tables.drop(self._seen)
            found = None
        if found is None:
            self._session.tables.make(self._seen, wanted)
        return [keep_statements(self._names, self._refresh)]

    def end(self) -> Deletion:
        """Delete the rows that the run did not bring, if it is at its end, or hold that."""
        if not self._refresh.ends:
            return Deletion()
        run_id = str(self._refresh.run_id)
        found = self._session.ask(
            f"look_{job_part(self._name)}",
            look_statement(self._names, self._refresh),
            {"run_id": ("STRING", run_id)},
        )
        verdict = decide(self._names, self._refresh, found)
        if verdict.statements is None:
            return Deletion()
        if verdict.is_given_up:
            self._log(
                "refresh_deleted_nothing",
                "Rows that the source has no more were kept: not all that it has is known",
            )
        done = self._session.write(f"delete_{job_part(self._name)}", [verdict.statements])
        if verdict.held:
            self._log(
                "refresh_held", "A deletion of most rows is held until another run finds the same"
            )
        return Deletion(deleted=done["deleted"], held=verdict.held)

    def _log(self, event: str, sentence: str) -> None:
        log_event(
            _log,
            logging.WARNING,
            event,
            sentence,
            run_id=self._refresh.run_id,
            table=self._name,
        )


def _is_same(found: Sequence[SchemaField], wanted: Sequence[SchemaField]) -> bool:
    return {field.name: type_of(field) for field in found} == {
        field.name: type_of(field) for field in wanted
    }
