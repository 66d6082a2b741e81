"""Tables of a connector's dataset in BigQuery: found, made and fitted through the API."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.bigquery import (
    Client,
    Dataset,
    DatasetReference,
    SchemaField,
    Table,
    TableReference,
    TimePartitioning,
)

from shared.connectors.bigquery.client import CALL_SECONDS, REPEATED
from shared.connectors.bigquery.column_types import LEGACY, TYPE_RULES
from shared.connectors.bigquery.names import quoted
from shared.connectors.dataset.landing import HeldColumn, Landing, LoadTable, plan_landing
from shared.connectors.dataset.marks import read_mark, write_mark

_STAGED_FOR = timedelta(days=1)
"""After which BigQuery removes a staging table that nobody did."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Place:
    """The dataset of a connector and the one beside it, in which loads are staged."""

    project: str
    dataset: str

    @property
    def staging(self) -> str:
        """Return the name of the dataset for what lives for a load or a run."""
        return f"{self.dataset}_staging"

    @property
    def datasets(self) -> Sequence[DatasetReference]:
        """Return both datasets."""
        return [DatasetReference(self.project, name) for name in (self.dataset, self.staging)]

    def target(self, table: str) -> TableReference:
        """Return where a table of the dataset is."""
        return TableReference(DatasetReference(self.project, self.dataset), table)

    def beside(self, table: str) -> TableReference:
        """Return where a table beside the dataset is."""
        return TableReference(DatasetReference(self.project, self.staging), table)


def sql_name(table: TableReference) -> str:
    """Return a table's name as SQL has it."""
    return quoted(f"{table.project}.{table.dataset_id}.{table.table_id}")


def schema_of(types: Mapping[str, str]) -> list[SchemaField]:
    """Return the columns of a staging table; JSON is staged as its text, which is exact."""
    return [SchemaField(name, "STRING" if kind == "JSON" else kind) for name, kind in types.items()]


class Tables:
    """The calls on tables that a load makes.

    `confirm` is called right before each that changes what other loads use, and raises
    `LeaseLostError` unless the lease is held. Datasets that are made here get the `labels`.
    """

    def __init__(
        self,
        client: Client,
        location: str,
        labels: Mapping[str, str],
        confirm: Callable[[], object],
    ) -> None:
        self._client = client
        self._location = location
        self._labels = labels
        self._confirm = confirm

    def make_dataset(self, reference: DatasetReference) -> None:
        """Make a dataset, if it is not there."""
        dataset = Dataset(reference)
        dataset.location = self._location
        dataset.labels = dict(self._labels)
        self._client.create_dataset(dataset, exists_ok=True, retry=REPEATED, timeout=CALL_SECONDS)

    def find(self, table: TableReference) -> Table | None:
        """Return a table, or None if it is not there."""
        try:
            return self._client.get_table(table, retry=REPEATED, timeout=CALL_SECONDS)
        except NotFound:
            return None

    def make(
        self,
        table: TableReference,
        fields: Sequence[SchemaField],
        *,
        key: Sequence[str] = (),
        partitioning: TimePartitioning | None = None,
    ) -> Table:
        """Make a table and return it, as it is if somebody was faster.

        BigQuery keeps rows together by the first parts of a `key`, so that a merge reads less.
        """
        made = Table(table, schema=list(fields))
        made.time_partitioning = partitioning
        if key:
            made.clustering_fields = list(key)
        self._confirm()
        return self._make(made)

    def make_staging(
        self, table: TableReference, fields: Sequence[SchemaField], now: datetime
    ) -> None:
        """Make a table that is gone after a day, whatever becomes of us."""
        made = Table(table, schema=list(fields))
        made.expires = now + _STAGED_FOR
        self._make(made)

    def _make(self, table: Table) -> Table:
        """Make a table, and its dataset if somebody dropped that."""
        try:
            return self._create(table)
        except NotFound:
            self.make_dataset(DatasetReference(table.project, table.dataset_id))
        return self._create(table)

    def _create(self, table: Table) -> Table:
        return self._client.create_table(
            table, exists_ok=True, retry=REPEATED, timeout=CALL_SECONDS
        )

    def drop(self, table: TableReference) -> None:
        """Drop a table, if it is there."""
        self._confirm()
        self.drop_staging(table)

    def drop_staging(self, table: TableReference) -> None:
        """Drop a table that nobody else uses, if it is there."""
        self._client.delete_table(table, not_found_ok=True, retry=REPEATED, timeout=CALL_SECONDS)

    def add_columns(
        self,
        table: TableReference,
        load: LoadTable,
        staged: Mapping[str, str],
        in_use: Collection[str],
    ) -> tuple[Landing, Sequence[SchemaField]] | None:
        """Let a table have the columns that a load needs; return where it lands, and the columns.

        None if the table is gone. All are added in one change, which is refused if somebody else
        changed the table since it was looked at; then it is looked at again. Columns whose type has
        to change keep it here, and those `in_use` for good.
        """
        for _ in range(_TRIES - 1):
            with suppress(PreconditionFailed):
                return self._add_columns(table, load, staged, in_use)
        return self._add_columns(table, load, staged, in_use)

    def _add_columns(
        self,
        table: TableReference,
        load: LoadTable,
        staged: Mapping[str, str],
        in_use: Collection[str],
    ) -> tuple[Landing, Sequence[SchemaField]] | None:
        found = self.find(table)
        if found is None:
            return None
        landing = plan_landing(load, held_columns(found.schema), staged, in_use, TYPE_RULES)
        wanted = _with_changes(found.schema, landing)
        if wanted != list(found.schema):
            found.schema = wanted
            self._confirm()
            found = self._client.update_table(
                found, ["schema"], retry=REPEATED, timeout=CALL_SECONDS
            )
        return landing, found.schema


def held_columns(fields: Sequence[SchemaField]) -> Mapping[str, HeldColumn]:
    """Return the columns that a table has, with what their descriptions say of them."""
    return {
        field.name: HeldColumn(type_of(field), read_mark(field.description)) for field in fields
    }


def type_of(field: SchemaField) -> str:
    """Return the type of a column as SQL names it; one of many values is none of ours."""
    kind = LEGACY.get(field.field_type, field.field_type)
    is_limited = field.precision is not None or field.max_length is not None
    if field.mode == "REPEATED":
        return f"ARRAY<{kind}>"
    # Somebody made it so: it takes what it takes, and everything else lands beside it.
    return f"{kind}({field.precision or field.max_length})" if is_limited else kind


def _with_changes(fields: Sequence[SchemaField], landing: Landing) -> list[SchemaField]:
    marks = {name: write_mark(source) for name, source in landing.marks.items()}
    new = [
        _marked(SchemaField(change.lands_in, change.becomes), marks.get(change.lands_in))
        for change in landing.changes
        if change.is_new
    ]
    return [*(_marked(field, marks.get(field.name)) for field in fields), *new]


def _marked(field: SchemaField, mark: str | None) -> SchemaField:
    if mark is None:
        return field
    return SchemaField.from_api_repr({**field.to_api_repr(), "description": mark})
