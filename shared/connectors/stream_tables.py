"""Which table of the dataset a stream lands in, and streams that would share one."""

from collections.abc import Iterable, Mapping

from dlt.common.normalizers.naming.snake_case import NamingConvention

from shared.domain.fault import Fault
from shared.errors import PermanentError


def table_name(stream: str) -> str:
    """Return the table that a stream lands in; PostgreSQL has names of 63 bytes."""
    return NamingConvention(max_length=63).normalize_table_identifier(stream)


def sharing_a_table(names: Iterable[str]) -> Mapping[str, PermanentError]:
    """Return an error for each stream whose table is another's too, or dlt's own.

    They would take turns in deleting each other's rows.
    """
    tables: dict[str, list[str]] = {}
    for name in names:
        tables.setdefault(table_name(name), []).append(name)
    errors: dict[str, PermanentError] = {}
    for table, sharing in tables.items():
        if len(sharing) > 1 or table.startswith("_dlt"):
            listed = " and ".join(sharing)
            errors |= {
                name: PermanentError(
                    f"{listed} would land in the dataset's table {table}, which"
                    f" {'they would share' if len(sharing) > 1 else 'is not theirs'}: leave"
                    " one out of the connector's streams.",
                    fault=Fault.SETTINGS,
                )
                for name in sharing
            }
    return errors
