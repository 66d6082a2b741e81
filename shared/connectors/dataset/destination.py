"""The dataset in PostgreSQL as dlt knows it, which prepares files for it and loads nothing.

No value is rounded on its way: staging has the types of the source, exact where dlt's choice would
lose something.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from dlt.common.data_writers.escape import escape_postgres_literal
from dlt.common.destination import PreparedTableSchema
from dlt.common.schema import Schema, TColumnSchema
from dlt.destinations.impl.postgres.configuration import (
    PostgresClientConfiguration,
    PostgresCredentials,
)
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper, postgres

COLUMN_TYPE = "x-syncline-type"
"""Hint on a column: the PostgreSQL type it gets, where dlt's own choice would lose something."""


class PostgresDestination(postgres):
    """dlt's PostgreSQL destination with exact types; it is never connected."""

    def __init__(self) -> None:
        super().__init__(
            credentials=PostgresCredentials(
                {"host": "none.invalid", "database": "none", "username": "none", "password": ""}
            ),
            destination_name="dataset",
            type_mapper=_TypeMapper,
            escape_literal=_literal,
        )
        self._configuration: PostgresClientConfiguration | None = None

    def configuration(
        self, initial_config: PostgresClientConfiguration, accept_partial: bool = False
    ) -> PostgresClientConfiguration:
        """Return the configuration; dlt would look for it eight times a stream."""
        if self._configuration is None:
            self._configuration = super().configuration(initial_config, accept_partial)
        return self._configuration

    def column_types(self, schema: Schema, table: str) -> Mapping[str, str]:
        """Return the PostgreSQL type of each column of a table that holds a value, by name."""
        mapper = self.capabilities().get_type_mapper()
        columns = schema.get_table_columns(table)
        of_table: Any = schema.get_table(table)
        return {
            name: mapper.to_destination_type(column, of_table) for name, column in columns.items()
        }


class _TypeMapper(PostgresTypeMapper):
    """dlt's types, but exact where its default would round."""

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        wanted: str | None = column.get(COLUMN_TYPE)  # pyright: ignore[reportAssignmentType] (a hint of ours)
        if wanted is not None:
            return wanted
        return super().to_destination_type(column, table)


def _literal(value: Any) -> Any:
    kind = type(value)
    if (kind is float or kind is Decimal) and not isfinite(value):
        return f"'{value}'"
    return escape_postgres_literal(value)
