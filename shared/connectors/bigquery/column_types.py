"""Which type a column of BigQuery needs, so that what a load brings lands in it exactly.

Types are as GoogleSQL names them, without parameters: `INT64`, `NUMERIC`, `STRING` and so on.
"""

from collections.abc import Mapping

from shared.connectors.dataset.landing import TypeRules

LEGACY: Mapping[str, str] = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
"""Names that BigQuery's API tells, where they are not those of its SQL."""

_WIDER: Mapping[str, tuple[str, ...]] = {
    "INT64": ("INT64", "NUMERIC", "BIGNUMERIC"),
    "NUMERIC": ("NUMERIC", "BIGNUMERIC"),
    "BIGNUMERIC": ("BIGNUMERIC",),
}
"""By type: those that hold each of its values, narrow ones first, and that it can be changed to."""

_WRITTEN_ONE_WAY = frozenset({"INT64", "NUMERIC", "BIGNUMERIC", "BOOL", "JSON", "TIME"})
"""What a text holds as well, since it is written in one way. An instant, a floating number and
bytes are not."""

_KINDS: Mapping[str, str] = {
    "INT64": "bigint",
    "NUMERIC": "decimal",
    "BIGNUMERIC": "decimal",
    "FLOAT64": "double",
    "BOOL": "bool",
    "STRING": "text",
    "BYTES": "binary",
    "TIMESTAMP": "timestamp",
    "DATETIME": "timestamp",
    "DATE": "date",
    "TIME": "time",
    "JSON": "json",
}
"""dlt's names for the types, as they stand in names of columns."""


def needed_type(held: str, staged: str) -> str | None:
    """Return the type a column of type `held` needs, to take values of type `staged` exactly.

    That is `held` itself where it holds them already, and else a wider type that also keeps every
    value that is there. None if there is no such type.
    """
    if held == staged or (held == "STRING" and staged in _WRITTEN_ONE_WAY):
        return held
    reach = _WIDER.get(staged, ())
    return next((kind for kind in _WIDER.get(held, ()) if kind in reach), None)


def kind_of(name: str) -> str:
    """Return what dlt calls a type, as it stands in names."""
    return _KINDS.get(name, name.lower())


TYPE_RULES = TypeRules(needed_type, kind_of)
