"""What PostgreSQL refused: the driver's error reduced to SQLSTATE and constraint.

The server's own message quotes the refused row, secrets and all, so that it goes no further.
"""

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True, slots=True)
class Violation:
    """Which rule a write broke."""

    sqlstate: str
    constraint: str


def violation_of(error: DBAPIError) -> Violation:
    """Return the rule that a refused write broke, with empty names if it was not a rule.

    The driver raises IntegrityError for unique keys and ProgrammingError for checks and foreign
    keys, so that the SQLSTATE tells more than the class.
    """
    details = error.orig.args[0] if error.orig is not None and error.orig.args else {}
    if not isinstance(details, dict):
        return Violation("", "")
    return Violation(str(details.get("C", "")), str(details.get("n", "")))
