"""What PostgreSQL refused: the driver's error reduced to SQLSTATE and constraint.

The server's own message quotes the refused row, secrets and all, so that it goes no further.
"""

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError

UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class Violation:
    """Which rule a write broke."""

    sqlstate: str
    constraint: str


def violation_of(error: IntegrityError) -> Violation:
    """Return the rule that an IntegrityError speaks of."""
    details = error.orig.args[0] if error.orig is not None and error.orig.args else {}
    if not isinstance(details, dict):
        return Violation("", "")
    return Violation(str(details.get("C", "")), str(details.get("n", "")))
