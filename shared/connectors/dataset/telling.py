"""What a load says of the columns it changed, and which columns dlt made for other types."""

import logging
from collections.abc import Mapping

from dlt.common.data_types import DATA_TYPES
from dlt.common.schema import Schema
from dlt.common.schema.utils import get_dedup_sort_tuple
from dlt.common.typing import VARIANT_FIELD_FORMAT

from shared.connectors.dataset.landing import ColumnChange, LoadTable
from shared.connectors.dataset.seam import Prepared, StreamLoad
from shared.logs import log_event

_log = logging.getLogger(__name__)


def load_table(prepared: Prepared, load: StreamLoad, target: str, staging: str) -> LoadTable:
    """Return a table of a load; `target` and `staging` are its names as SQL has them."""
    newest = get_dedup_sort_tuple(prepared.schema.get_table(prepared.table))
    return LoadTable(
        name=prepared.table,
        key=load.key,
        target=target,
        staging=staging,
        newest_by=None if newest is None else newest[0],
        variants=_variants(prepared.schema, prepared.table),
        carried=load.brought.carried,
    )


def told_change(table: LoadTable, change: ColumnChange) -> Mapping[str, str | None]:
    """Return a change of a column, ready for JSON."""
    return {
        "table": table.name,
        "column": change.column,
        "was": change.was,
        "becomes": change.becomes,
        "lands_in": change.lands_in,
    }


def log_change(table: LoadTable, change: ColumnChange) -> None:
    """Tell of a change of a column in the log."""
    log_event(
        _log,
        logging.INFO if change.was is None else logging.WARNING,
        "dataset_column_changed",
        "A column of the dataset was made or changed to hold what its source brings",
        **{**told_change(table, change), "table": table.target},
    )


def _variants(schema: Schema, table: str) -> Mapping[str, str]:
    """Return the columns that dlt made for values of another type, with the column of each."""
    columns = schema.get_table(table).get("columns", {})
    variants = {name for name, column in columns.items() if column.get("variant")}
    names = {
        schema.naming.shorten_fragments(source, VARIANT_FIELD_FORMAT % kind): source
        for source in columns
        for kind in (DATA_TYPES if variants else ())
    }
    return {name: names[name] for name in variants if name in names}
