"""What dlt is told of the columns of a stream, so that each value lands as it was read."""

from collections.abc import Mapping
from typing import cast

from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

from shared.connectors.dataset.destination import COLUMN_TYPE
from shared.connectors.dynamics.plans import COMPANY_ID, DELETED_AT, Plan
from shared.connectors.dynamics.values import Kind
from shared.connectors.rejects_screen import column_name
from shared.connectors.rejects_values import Doubt
from shared.domain.fault import Fault
from shared.errors import PermanentError

_HINTS: Mapping[Kind, Mapping[str, object]] = {
    Kind.TEXT: {"data_type": "text"},
    Kind.WHOLE: {"data_type": "bigint"},
    # As text all the way: dlt has no type for so many digits, and parses JSON anew.
    Kind.DECIMAL: {"data_type": "text", COLUMN_TYPE: "numeric"},
    Kind.JSON: {"data_type": "text", COLUMN_TYPE: "jsonb"},
    Kind.BINARY: {"data_type": "text", COLUMN_TYPE: "bytea"},
    Kind.DOUBLE: {"data_type": "double"},
    Kind.BOOL: {"data_type": "bool"},
    Kind.DATE: {"data_type": "date"},
    Kind.TIME: {"data_type": "time"},
    Kind.INSTANT: {"data_type": "timestamp", "timezone": True},
}
_DOUBTS: Mapping[Kind, Doubt] = {Kind.TEXT: Doubt.TEXT, Kind.JSON: Doubt.JSON}


def hints_of(plan: Plan) -> TTableSchemaColumns:
    """Return the hints for every column; raise `PermanentError` if two would be one."""
    kinds = {**({COMPANY_ID: Kind.TEXT} if plan.has_companies else {}), **plan.kinds}
    if plan.stream.delta:
        kinds[DELETED_AT] = Kind.INSTANT
    columns: dict[str, str] = {}
    for name in kinds:
        other = columns.setdefault(column_name(name), name)
        if other != name or (name == COMPANY_ID and name in plan.kinds):
            raise PermanentError(
                f"{plan.stream.entity} has {other} and {name}, which would share one column of the"
                " dataset: select one of them with columns.",
                fault=Fault.SCHEMA,
            )
    newest_by = DELETED_AT if plan.stream.delta else plan.cursor
    return {name: _hint(name, kind, plan, newest_by) for name, kind in kinds.items()}


def doubts_of(plan: Plan) -> Mapping[str, Doubt]:
    """Return the columns whose values a dataset may refuse."""
    return {name: _DOUBTS[kind] for name, kind in plan.kinds.items() if kind in _DOUBTS}


def _hint(name: str, kind: Kind, plan: Plan, newest_by: str | None) -> TColumnSchema:
    hint: dict[str, object] = {"name": name, "nullable": name not in plan.key, **_HINTS[kind]}
    if name == newest_by:
        hint["dedup_sort"] = "desc"  # of two records with one key the newer counts
    return cast("TColumnSchema", hint)
